"""Several sites on one network, and the plugin's end: each site has its own rows, and the words outlive the plugin."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.conftest import VERSIONS, ZIP, checked
from peers.wordpress_site import WordPress, network

TABLES = "global $wpdb; return $wpdb->get_col(\"SHOW TABLES LIKE '%tagger%'\");"
SECOND = """
$id = wp_insert_site(['domain' => 'wp.test', 'path' => '/second/', 'title' => 'Second', 'user_id' => 1]);
switch_to_blog($id);
Tagger\\Schema::boot();
return $id;
"""
WRITE = """
switch_to_blog(SITE);
Tagger\\Schema::boot();
Tagger\\Tags::register();
$id = wp_insert_attachment(['post_mime_type' => 'image/png', 'post_title' => 'a', 'post_status' => 'inherit']);
Tagger\\Texts::swap($id, 'alt_text', null, 'Words of site SITE');
Tagger\\Store::wrote($id, 'alt_text', 'tagger', 'Words of site SITE');
Tagger\\Tags::apply($id, ['add' => [['id' => 't:cat', 'label' => 'cat']]]);
return $id;
"""
READ = """
switch_to_blog(SITE);
register_taxonomy('tagger_tag', 'attachment');
return [get_post_meta(ASSET, '_wp_attachment_image_alt', true), wp_get_object_terms(ASSET, 'tagger_tag', ['fields' => 'names'])];
"""
UNINSTALL = "deactivate_plugins('tagger/tagger.php', false, true); uninstall_plugin('tagger/tagger.php'); return 1;"


@pytest.fixture(scope="module", params=VERSIONS)
def wordpress(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    checked()
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        Path(name).chmod(0o755)
        with network(str(request.param), Path(name), ZIP) as site:
            yield site


def test_each_site_has_its_own_rows_and_the_words_outlive_the_plugin(wordpress: WordPress) -> None:
    second = int(wordpress.php(SECOND))
    assert {f"wp_{second}_tagger_assets", "wp_tagger_assets"} <= set(wordpress.php(TABLES))
    assets = {site: int(wordpress.php(WRITE.replace("SITE", str(site)))) for site in (1, second)}
    for site, asset in assets.items():
        page = wordpress.php(f"switch_to_blog({site}); return Tagger\\Library::page([]);")
        listed = {one["id"]: one["fields"]["alt_text"]["en"] for one in page["data"]}
        assert listed == {str(asset): {"value": f"Words of site {site}", "writer": "tagger"}}
    wordpress.php(UNINSTALL)
    assert wordpress.php(TABLES) == []
    options = "switch_to_blog(SITE); return [get_option('tagger_settings'), get_option('tagger_schema')];"
    for site, asset in assets.items():
        assert wordpress.php(options.replace("SITE", str(site))) == [False, False]
        kept = wordpress.php(READ.replace("SITE", str(site)).replace("ASSET", str(asset)))
        assert kept == [f"Words of site {site}", ["cat"]]
