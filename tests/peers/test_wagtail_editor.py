"""What an editor does in Wagtail's admin, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import Page, opened

from peers.joined import PHOTOS, until
from peers.wagtail_site import PASSWORD, USER, Wagtail
from tagger.conformance.client import Client
from tagger.conformance.trial import FIELD

PICTURES = os.environ.get("PEERS_PICTURES")  # a folder: keep the screens there, for docs/wagtail.md
PROPOSAL = "Temple with a curved roof beside a garden"
TEXT = "textarea[name='value:alt_text|en']"
SIZE = {"width": 1300, "height": 900}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture(scope="module")
def editor(browser: Page, wagtail: Wagtail) -> Page:
    """Signed in by the login page."""
    browser.open(f"{wagtail.url}/admin/login/")
    browser.fill("#id_username", USER)
    browser.fill("#id_password", PASSWORD)
    browser.click("button[type=submit]", leaves=True)
    return browser


def keep(page: Page, name: str) -> None:
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.jpg", **SIZE)


def proposed(wagtail: Wagtail, photo: str, name: str, text: str = PROPOSAL) -> str:
    """A picture with a text for review, and of which tagger itself does not hear."""
    with wagtail.tagger_away():
        key = wagtail.upload(photo, name)
        until(lambda: "last error" in wagtail.manage("tagger", "status"), "the announcement has failed")
    offer = {"value": text, "reasons": ["low_score"], "source": "model", "model": "ofa-caption@1a2b3c4d", "score": 0.41}
    data = {"job": "job_1", "asset": {"id": key}, "sequence": 10**12, "verdict": "review", "reasons": ["low_score"],
            "fields": {}, "proposals": {FIELD: {"en": offer}}}  # fmt: skip
    with Client(wagtail.endpoint, [wagtail.callback_secret]) as client:
        assert client.send("asset.described", data).status == 200
    return key


def test_a_picture_that_is_uploaded_in_the_browser_gets_its_words(editor: Page, wagtail: Wagtail) -> None:
    editor.open(f"{wagtail.url}/admin/images/add/")
    editor.choose_file("#id_file", PHOTOS / "sk_coffee.png")
    editor.fill("#id_title", "Coffee")
    editor.click("form [type=submit].button-longrunning", leaves=True)
    links = "[...document.querySelectorAll('#listing-results a')]"
    shown = f"{links}.map((a) => a.pathname.match(/images\\/(\\d+)\\/$/)?.[1]).find(Boolean)"
    key = str(editor.do(shown))
    alt = wagtail.described(key)
    editor.open(f"{wagtail.url}/admin/images/{key}/")
    assert editor.value("#id_description") == alt
    assert "Written by tagger" in editor.text(f"#tagger-panel-{key}")
    keep(editor, "wagtail-written")


def test_a_proposal_is_changed_and_accepted_in_the_panel(editor: Page, wagtail: Wagtail) -> None:
    key = proposed(wagtail, "china.jpg", "proposal.jpg")
    editor.open(f"{wagtail.url}/admin/images/{key}/")
    panel = editor.text(f"#tagger-panel-{key}")
    assert ("Needs review" in panel, "41 %" in panel, "not sure enough" in panel) == (True, True, True), panel
    assert (editor.value(TEXT), editor.value("#id_description")) == (PROPOSAL, "")
    keep(editor, "wagtail-review")
    editor.fill(TEXT, "Temple in Beijing")
    editor.click(f"#tagger-panel-{key} button[value^=accept]", leaves=True)
    assert editor.value("#id_description") == "Temple in Beijing"
    assert "Needs review" not in editor.text(f"#tagger-panel-{key}")


def test_a_form_that_was_open_in_the_browser_does_not_take_the_words_away(editor: Page, wagtail: Wagtail) -> None:
    with wagtail.tagger_away():
        key = wagtail.upload("sk_coffee.png", "open.png")
        editor.open(f"{wagtail.url}/admin/images/{key}/")
    offer = {"value": "Cup of coffee", "if_current": {"in": [None]}}
    data = {"asset": {"id": key}, "sequence": 10**12, "fields": {FIELD: {"en": offer}}, "proposals": {}, "reasons": []}
    with Client(wagtail.endpoint, [wagtail.callback_secret]) as client:
        assert client.send("asset.described", data).json()["fields"][FIELD]["en"]["outcome"] == "written"
    editor.fill("#id_title", "A title of ours")
    editor.click("#w-editor-form [type=submit].button-longrunning", leaves=True)
    form = wagtail.person.opened(key)
    assert form is not None
    assert (form["title"], form["description"]) == ("A title of ours", "Cup of coffee")


def test_the_report_lists_what_needs_review_and_takes_the_decision(editor: Page, wagtail: Wagtail) -> None:
    key = proposed(wagtail, "flower.jpg", "report.jpg", "Orange dahlia before dark leaves")
    editor.open(f"{wagtail.url}/admin/tagger/?state=review")
    assert "Orange dahlia" in editor.value(f"#tagger-panel-{key} textarea")
    keep(editor, "wagtail-report")
    editor.click(f"#tagger-panel-{key} button[value^=reject]", leaves=True)
    assert editor.do("location.search") == "?state=review"
    assert editor.text(f"#tagger-panel-{key}") == ""
    assert wagtail.alt(key) == ""
