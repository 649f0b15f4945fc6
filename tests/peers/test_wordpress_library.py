"""A whole library in a real WordPress: a backfill and its undo, a sweep, the trash, and the command line of the plugin."""

from __future__ import annotations

import json
from typing import Any

from peers.joined import Joined, until
from tagger.backfill import Backfill
from tagger.ledger.sending.outcomes import provenance_of
from tagger.services.backfill.plan import Wanted, plan_library, plan_undo
from tagger.services.backfill.progress import outcome_counts
from tagger.services.backfill.report import lines
from tagger.services.backfill.undo import rehearse_undo
from tagger.services.sweep import Swept, sweep

DID = {"write": "written", "keep": "kept"}
PHOTOS = ("sk_coffee.png", "china.jpg", "sk_chelsea.png", "flower.jpg", "sk_rocket.jpg", "sk_camera.png", "sk_coffee.png")
BY_HAND = 'By hand: 5 < 6 & "so" it is – 猫 🐈'
OF_FILE = "From the file: C:\\\\new\\\\%41  two  blanks & <i>more</i>"
STORED = """
global $wpdb;
$stored = [];
foreach (IDS as $id) {
    $post = $wpdb->get_row("SELECT post_title, post_excerpt, post_content FROM $wpdb->posts WHERE ID = $id", ARRAY_A);
    $alt = "SELECT meta_value FROM $wpdb->postmeta WHERE post_id = $id AND meta_key = '_wp_attachment_image_alt'";
    $tags = wp_get_object_terms($id, 'tagger_tag', ['fields' => 'names']);
    sort($tags);
    $stored[$id] = ['alt_text' => $wpdb->get_col($alt), 'tags' => $tags] + array_map('bin2hex', $post);
}
return $stored;
"""


def stored(wordpress: Joined, assets: list[int]) -> dict[str, dict[str, Any]]:
    """What the database holds, byte for byte: no row is not the same as an empty one."""
    return dict(wordpress.wp.php(STORED.replace("IDS", json.dumps(assets))))


def library(wordpress: Joined) -> list[int]:
    """Pictures from before the plugin. Editors and files have left words in some."""
    with wordpress.away():
        assets = [wordpress.upload(photo, f"library-{number}-{photo}") for number, photo in enumerate(PHOTOS)]
        wordpress.api("POST", f"/media/{assets[1]}", json={"alt_text": BY_HAND})
        for text in ("For a while", ""):
            wordpress.api("POST", f"/media/{assets[2]}", json={"alt_text": text})
        imported = f"global $wpdb; $wpdb->update($wpdb->posts, ['post_excerpt' => '{OF_FILE}'], ['ID' => {assets[3]}]);"
        tagged = f"wp_set_object_terms({assets[4]}, ['Their tag'], 'tagger_tag');"
        wordpress.wp.php(f"{imported} {tagged} return 1;")
    return assets


def run(wordpress: Joined, backfill: Backfill) -> Backfill:
    ledger = wordpress.tagger.ledger
    ledger.start_backfill(backfill)
    until(lambda: ledger.backfill(backfill.id).status == "done", "the backfill ends", 180)
    return ledger.backfill(backfill.id)


def found(wordpress: Joined, backfill: Backfill) -> set[tuple[str | None, ...]]:
    """What was, or would be, done to each field."""
    shown = ("write", "written", "review")
    return {
        (line.asset, line.field, line.locale, DID.get(line.status, line.status), line.after if line.status in shown else None)
        for line in lines(wordpress.tagger.ledger, backfill)
    }


def test_a_backfill_writes_what_its_dry_run_said_and_an_undo_restores_every_byte(wordpress: Joined) -> None:
    assets, ledger = library(wordpress), wordpress.tagger.ledger
    ids, site = [str(asset) for asset in assets], ledger.get_site(wordpress.name)
    untouched = stored(wordpress, assets)
    assert untouched[ids[0]]["alt_text"] == []

    foreseen = found(wordpress, run(wordpress, plan_library(ledger, site, Wanted(ids=ids, dry_run=True), window=50)))
    assert stored(wordpress, assets) == untouched, "a dry run writes nothing"
    done = run(wordpress, plan_library(ledger, site, Wanted(ids=ids), window=50))
    assert found(wordpress, done) == foreseen
    counts = outcome_counts(done)
    assert (counts["described"], counts["dead"], counts["skipped"]) == (len(ids), 0, {})
    described = stored(wordpress, assets)
    assert "espresso" in described[ids[0]]["alt_text"][0].lower()
    assert [described[i]["alt_text"] for i in ids[1:3]] == [untouched[i]["alt_text"] for i in ids[1:3]], "an editor's words stay"
    assert described[ids[3]]["post_excerpt"] == untouched[ids[3]]["post_excerpt"], "and those of the file"
    assert "Their tag" in described[ids[4]]["tags"]

    edited = ids[-1]
    wordpress.api("POST", f"/media/{edited}", json={"alt_text": "Changed after the backfill"})
    kept = {(line.asset, line.field) for line in rehearse_undo(ledger, done) if line.status == "keep"}
    assert kept == {(edited, "alt_text")}
    undone = run(wordpress, plan_undo(ledger, done.id, window=50))
    assert outcome_counts(undone)["reverted"] > 0
    restored = stored(wordpress, assets)
    assert restored[edited].pop("alt_text") == ["Changed after the backfill"]
    del untouched[edited]["alt_text"]
    assert restored == untouched


def swept(wordpress: Joined, *, confirmed: bool = False) -> Swept:
    ledger = wordpress.tagger.ledger
    return sweep(ledger, ledger.get_site(wordpress.name), confirmed=confirmed, pause=lambda _: None)


def test_a_sweep_finds_what_happened_while_tagger_was_not_told(wordpress: Joined) -> None:
    ledger = wordpress.tagger.ledger
    names = ("edited.png", "deleted.png", "trashed.png")
    edited, deleted, trashed = (wordpress.upload("sk_coffee.png", f"swept-{name}") for name in names)
    for asset in (edited, deleted, trashed):
        wordpress.described(asset)

    def jobs(asset: int) -> list[str]:
        return [job.status for job in ledger.jobs(site_id=wordpress.name, asset_id=str(asset)).data]

    until(lambda: [jobs(a) for a in (edited, deleted, trashed)] == [["done"]] * 3, "the answers of WordPress are stored")
    with wordpress.away():
        lost = wordpress.upload("sk_coffee.png", "swept-lost.png")
        wordpress.api("POST", f"/media/{edited}", json={"alt_text": "Edited meanwhile"})
        wordpress.api("DELETE", f"/media/{deleted}?force=true")
        old = "['post_modified_gmt' => gmdate('Y-m-d H:i:s', time() - 600)]"  # a younger one may have its hook on the way
        aged = f"$wpdb->update($wpdb->posts, {old}, ['ID' => {lost}]);"
        wordpress.wp.php(f"global $wpdb; {aged} wp_trash_post({trashed}); return 1;")
    first = swept(wordpress)
    assert (first.new >= 1, first.edited >= 1) == (True, True)
    assert str(deleted) in first.missing
    assert str(trashed) not in first.missing, "a person may take it out of the trash"
    assert wordpress.described(lost)
    assert len(jobs(lost)) == 1
    theirs = ledger._read(lambda c: provenance_of(c, wordpress.name, str(edited))).editor_fields
    assert ("alt_text", "en") in theirs
    assert wordpress.alt(edited) == "Edited meanwhile"
    until(lambda: jobs(lost) == ["done"], "the answer of WordPress is stored")

    second = swept(wordpress, confirmed=True)
    assert (second.edited, len(jobs(lost))) == (0, 1), "twice the same changes nothing"
    assert (jobs(deleted), jobs(trashed)) == ([], ["done"])
    skipped = run(wordpress, plan_library(ledger, ledger.get_site(wordpress.name), Wanted(ids=[str(trashed)]), window=5))
    assert outcome_counts(skipped)["skipped"] == {"in_trash": 1}
    with wordpress.away():
        assert wordpress.wp.php(f"wp_untrash_post({trashed}); return 1;") == 1
    assert "espresso" in wordpress.alt(trashed).lower()


WP_CLI = """
class WP_CLI {
    public static $said = [];
    static function line($text) { self::$said[] = $text; }
    static function success($text) { self::$said[] = "Success: $text"; }
    static function error($text) { self::$said[] = "Error: $text"; }
}
require_once WP_PLUGIN_DIR . '/tagger/includes/class-cli.php';
$cli = new Tagger\\Cli();
CODE
return WP_CLI::$said;
"""


def test_the_commands_of_the_plugin(wordpress: Joined) -> None:
    """`wp tagger …` without WP-CLI itself, which no package here has: its methods, with what WP-CLI passes to them."""
    with wordpress.away():
        asset = wordpress.upload("sk_coffee.png", "by-command.png")

    def cli(code: str) -> list[str]:
        return list(wordpress.wp.php(WP_CLI.replace("CODE", code)))

    assert cli(f"$cli->describe([], ['ids' => '{asset}', 'missing' => true, 'dry-run' => true]);") == [
        "Success: 1 pictures would be sent."
    ]
    assert wordpress.state(asset) == ""
    assert cli(f"$cli->describe([], ['ids' => '{asset}']);") == ["Success: 1 pictures wait to be sent."]
    until(lambda: cli("$cli->send();") == ["Success: 0 messages were sent."], "all is sent")
    assert wordpress.described(asset)
    status = cli("$cli->status();")
    assert status[-1].split()[:3] == ["to", "send", "0"]
    assert any(line.startswith("written") for line in status)
    assert cli("$cli->test();")[-1] == "Success: The connection works."
    assert all(len(line.split("\t")) == 4 for line in cli("$cli->report();"))
