"""What an editor and an administrator do in wp-admin, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import Page, opened

from peers.joined import PHOTOS, Joined, until
from tagger.conformance.client import Client
from tagger.conformance.trial import FIELD

PICTURES = os.environ.get("PEERS_PICTURES")  # a folder: keep the screens there, for docs/wordpress.md
PROPOSAL = "Two red pandas on a branch"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def editor(browser: Page, wordpress: Joined) -> Page:
    return signed_in(browser, wordpress, "editor1")


@pytest.fixture
def administrator(browser: Page, wordpress: Joined) -> Page:
    return signed_in(browser, wordpress, "admin")


COOKIES = """
$id = get_user_by('login', 'USER')->ID;
$end = time() + 3600;
$token = WP_Session_Tokens::get_instance($id)->create($end);
$made = [AUTH_COOKIE => 'auth', LOGGED_IN_COOKIE => 'logged_in'];
return array_map(fn($scheme) => wp_generate_auth_cookie($id, $end, $scheme, $token), $made);
"""


def signed_in(page: Page, wordpress: Joined, user: str) -> Page:
    """With the cookies that the login page would set."""
    page.cookies(wordpress.wp.url, wordpress.wp.php(COOKIES.replace("USER", user)))
    return page


def keep(page: Page, name: str, **size: int) -> None:
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.jpg", **size)


def propose(wordpress: Joined, asset: int, *, sequence: int = 10**12) -> None:
    """As tagger sends a text for review."""
    offer = {"value": PROPOSAL, "reasons": ["low_score"], "source": "model", "model": "ofa-caption@1a2b3c4d", "score": 0.41}
    data = {"job": "job_1", "asset": {"id": str(asset)}, "sequence": sequence, "verdict": "review", "reasons": ["low_score"],
            "fields": {}, "proposals": {FIELD: {"en": offer}}}  # fmt: skip
    with Client(wordpress.endpoint, [wordpress.callback_secret]) as client:
        assert client.send("asset.described", data).status == 200


def quiet(wordpress: Joined, photo: str, name: str) -> int:
    """A picture of which tagger never hears, so that only this test decides what is told of it."""
    wordpress.wp.set_up(url="")
    try:
        return wordpress.upload(photo, name)
    finally:
        wordpress.wp.set_up(**wordpress.settings)


def test_the_settings_page_tests_the_connection(administrator: Page, wordpress: Joined) -> None:
    administrator.open(f"{wordpress.wp.url}/wp-admin/options-general.php?page=tagger")
    assert administrator.text("#tagger-endpoint") == wordpress.endpoint
    assert wordpress.callback_secret not in administrator.do("document.documentElement.outerHTML"), "a secret is never shown"
    administrator.click("#tagger-test")
    administrator.until("document.querySelector('#tagger-steps').dataset.ok", "the test ends", 60)
    steps = administrator.text("#tagger-steps")
    assert (steps.count("✓"), steps.count("✗")) == (3, 0), steps
    administrator.do("document.querySelector('#tagger-test').scrollIntoView({block: 'center'})")
    keep(administrator, "wordpress-settings", height=1000)
    jobs = wordpress.tagger.ledger.jobs
    until(lambda: not any(job.asset_id.startswith("tagger-test-") for job in jobs(site_id=wordpress.name).data), "it is removed")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "http://127.0.0.1:9"}, "does not answer"),
        ({"hook_secret": "whsec_" + "A" * 44}, "refuses the signature"),
        ({"site": "nobody"}, "refuses the signature"),
        ({"hook_secret": "secret"}, "is not complete"),
        ({"send_bytes": "1", "api_key": "wrong"}, "Check the API key"),
    ],
    ids=["away", "secret", "site", "no-secret", "key"],
)
def test_the_connection_test_says_what_failed(wordpress: Joined, wrong: dict[str, str], told: str) -> None:
    key = wordpress.wp.php("return Tagger\\Settings::get('api_key');")
    wordpress.wp.set_up(**wrong)
    try:
        found = wordpress.wp.php("return Tagger\\Connection::run();")
    finally:
        wordpress.wp.set_up(**wordpress.settings, send_bytes="", api_key=key)
    assert found["ok"] is False
    assert told in found["steps"][-1][1], found


def test_saving_the_settings_keeps_the_secrets(administrator: Page, wordpress: Joined) -> None:
    administrator.open(f"{wordpress.wp.url}/wp-admin/options-general.php?page=tagger")
    administrator.fill("#tagger-locale", "en")
    administrator.click("#submit", leaves=True)
    assert wordpress.wp.php("return Tagger\\Settings::callback_secrets();") == [wordpress.callback_secret]


def test_a_picture_that_is_uploaded_in_wp_admin_gets_its_words(editor: Page, wordpress: Joined) -> None:
    editor.open(f"{wordpress.wp.url}/wp-admin/media-new.php?browser-uploader")
    editor.choose_file("#async-upload", PHOTOS / "sk_coffee.png")
    editor.click("#html-upload", leaves=True)
    newest = "return (int) get_posts(['post_type' => 'attachment', 'numberposts' => 1, 'post_status' => 'inherit'])[0]->ID;"
    asset = int(wordpress.wp.php(newest))
    alt = wordpress.described(asset)
    editor.open(f"{wordpress.wp.url}/wp-admin/post.php?post={asset}&action=edit")
    assert editor.value("#attachment_alt") == alt
    assert "Written by tagger" in editor.text("#tagger .tagger-state")
    keep(editor, "wordpress-written", width=1400, height=900)


def test_a_proposal_is_accepted_in_the_box(editor: Page, wordpress: Joined) -> None:
    asset = quiet(wordpress, "china.jpg", "proposal.jpg")
    propose(wordpress, asset)
    assert wordpress.alt(asset) == "", "a proposal is never written by itself"
    editor.open(f"{wordpress.wp.url}/wp-admin/post.php?post={asset}&action=edit")
    box = editor.text("#tagger")
    assert (PROPOSAL in box, "41 %" in box, "not sure enough" in box, "Needs review" in box) == (True, True, True, True), box
    keep(editor, "wordpress-review", width=1400, height=900)
    editor.click('#tagger [data-tagger="accept"]', leaves=True)
    assert editor.value("#attachment_alt") == PROPOSAL
    assert wordpress.wp.php(f"return Tagger\\Store::field({asset}, 'alt_text')->writer;") == "person"
    assert PROPOSAL not in editor.text("#tagger")


def test_a_proposal_is_edited_or_rejected(editor: Page, wordpress: Joined) -> None:
    first, second = quiet(wordpress, "china.jpg", "edit.jpg"), quiet(wordpress, "china.jpg", "reject.jpg")
    propose(wordpress, first)
    propose(wordpress, second)
    editor.open(f"{wordpress.wp.url}/wp-admin/post.php?post={first}&action=edit")
    editor.click("#tagger [data-tagger-edit]")
    assert editor.value("#attachment_alt") == PROPOSAL
    editor.fill("#attachment_alt", PROPOSAL + " in spring")
    editor.click("#publish", leaves=True)
    assert wordpress.alt(first) == PROPOSAL + " in spring"
    editor.open(f"{wordpress.wp.url}/wp-admin/post.php?post={second}&action=edit")
    editor.click('#tagger [data-tagger="reject"]', leaves=True)
    assert (wordpress.alt(second), wordpress.state(second)) == ("", "")


def test_a_form_that_was_open_while_tagger_wrote_does_not_undo_it(editor: Page, wordpress: Joined) -> None:
    asset = quiet(wordpress, "china.jpg", "open.jpg")
    editor.open(f"{wordpress.wp.url}/wp-admin/post.php?post={asset}&action=edit")
    offer = {"value": "Pagoda above a garden", "if_current": {"in": [None]}}
    data = {"asset": {"id": str(asset)}, "sequence": 1, "fields": {FIELD: {"en": offer}}, "proposals": {}, "reasons": []}
    with Client(wordpress.endpoint, [wordpress.callback_secret]) as client:
        assert client.send("asset.described", data).json()["fields"][FIELD]["en"]["outcome"] == "written"
    editor.fill("#title", "A title of ours")
    editor.click("#publish", leaves=True)
    assert wordpress.alt(asset) == "Pagoda above a garden"
    assert wordpress.wp.php(f"return Tagger\\Store::field({asset}, 'alt_text')->writer;") == "tagger"
    editor.fill("#attachment_alt", "")
    editor.click("#publish", leaves=True)
    assert wordpress.alt(asset) == "", "but an editor who empties the field means it"
    assert wordpress.wp.php(f"return Tagger\\Store::field({asset}, 'alt_text')->writer;") == "person"
    assert wordpress.state(asset) == "", "it is no longer listed as tagger's"


def test_the_media_library_shows_filters_and_describes(editor: Page, wordpress: Joined) -> None:
    written, review = wordpress.upload("sk_coffee.png", "listed.png"), quiet(wordpress, "china.jpg", "review.jpg")
    propose(wordpress, review)
    alt = wordpress.described(written)
    rows = "[...document.querySelectorAll('#the-list tr')].map((row) => row.id)"
    for chosen, there, not_there in (("tagger", written, review), ("review", review, written), ("none", review, written)):
        editor.open(f"{wordpress.wp.url}/wp-admin/upload.php?mode=list&tagger_filter={chosen}")
        shown = editor.do(rows)
        assert (f"post-{there}" in shown, f"post-{not_there}" in shown) == (True, False), (chosen, shown)
    editor.open(f"{wordpress.wp.url}/wp-admin/upload.php?mode=list")
    assert alt in editor.text(f"#post-{written} .column-tagger")
    assert "Needs review" in editor.text(f"#post-{review} .column-tagger")
    keep(editor, "wordpress-library", width=1400, height=700)
    editor.do(f"document.querySelector('#cb-select-{review}').checked = true")
    editor.fill("#bulk-action-selector-top", "tagger_describe")
    editor.click("#doaction", leaves=True)
    assert "1 picture goes to tagger." in editor.text(".notice-info")
    ledger = wordpress.tagger.ledger
    until(lambda: wordpress.cron() == 0 and ledger.jobs(site_id=wordpress.name, asset_id=str(review)).data, "tagger has it")


def test_an_author_may_not_decide_about_pictures_of_others(browser: Page, wordpress: Joined) -> None:
    asset = quiet(wordpress, "china.jpg", "others.jpg")
    propose(wordpress, asset)
    wordpress.wp.php("wp_insert_user(['user_login' => 'author1', 'user_pass' => 'authorpw', 'role' => 'author']); return 1;")
    link = "wp_set_current_user(get_user_by('login', 'author1')->ID); return wp_create_nonce('tagger_box' . ASSET);"
    nonce = wordpress.wp.php(link.replace("ASSET", str(asset)))
    page = signed_in(browser, wordpress, "author1")
    page.open(f"{wordpress.wp.url}/wp-admin/upload.php")
    query = f"action=tagger_box&do=accept&field=alt_text&id={asset}&_wpnonce={nonce}"
    status = page.do(f"fetch('{wordpress.wp.url}/wp-admin/admin-post.php?{query}').then((answer) => answer.status)")
    assert (status, wordpress.alt(asset)) == (403, "")
