"""Every page in a real browser: nothing for axe to find in either theme, no wider than a telephone, and usable by keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.chromium import Page
from support.pages import OPERATOR_KEY

from pages.conftest import Site
from pages.site import faults, sign_in, theme

PICTURES = os.environ.get("PAGES_PICTURES")  # a folder: keep the screens there, for docs/review-pages.md
WIDTHS = (1100, 375)
PAGES = ("jobs", "asset?site=s&id=photo-00", "asset?site=s&id=broken", "deliveries", "deliveries?status=parked&site=s",
         "dead-letters", "backfills", "sites", "try-it", "jobs?status=cancelled",
         "jobs?lang=zh", "jobs?status=nonsense")  # fmt: skip


def looked_at(page: Page, name: str) -> None:
    for width in WIDTHS:
        page.size(width, 900)
        assert faults(page) == [], (name, width)
        assert page.do("document.documentElement.scrollWidth") <= width, name
        if PICTURES:
            page.picture(Path(PICTURES) / f"{name}-{width}.jpg", width=width, height=900)


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_axe_finds_nothing_on_the_login_page(site: Site, page: Page, shade: str) -> None:
    theme(page, shade)
    page.cookies(site.url, {})
    page.open(f"{site.url}/pages/login")
    looked_at(page, f"login-{shade}")


@pytest.mark.parametrize("shade", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES, ids=range(len(PAGES)))
def test_axe_finds_nothing_and_no_page_is_wider_than_a_telephone(site: Site, page: Page, name: str, shade: str) -> None:
    theme(page, shade)
    sign_in(page, site.url, OPERATOR_KEY)
    page.open(f"{site.url}/pages/{name}")
    looked_at(page, f"{name.partition('?')[0]}-{PAGES.index(name)}-{shade}")
    page.open(f"{site.url}/pages/jobs?lang=en")


def test_one_signs_in_and_jumps_to_the_content_by_keyboard(site: Site, page: Page) -> None:
    page.cookies(site.url, {})
    page.open(f"{site.url}/pages/jobs")
    assert page.do("document.activeElement.id") == "key", "the field has the focus"
    for letter in OPERATOR_KEY:
        page.press(letter)
    page.press("Enter")
    page.until("document.readyState === 'complete' && document.querySelector('nav')", "signed in")
    page.press("Tab")
    assert page.do("document.activeElement.className") == "skip"
    assert page.do("document.activeElement.getBoundingClientRect().left") >= 0, "it is seen when it has the focus"
    page.press("Enter")
    page.until("document.activeElement.id === 'main'", "the focus is in the content")


def test_dead_letters_are_chosen_and_tried_again_without_a_mouse(site: Site, page: Page) -> None:
    sign_in(page, site.url, OPERATOR_KEY)
    page.open(f"{site.url}/pages/dead-letters")
    assert page.do("document.querySelectorAll('.rows > li').length") == 2
    page.do("document.querySelector('input[type=checkbox]').focus()")
    page.press(" ")
    page.do("document.querySelector('.actions button:not([type=button])').focus()")
    page.press("Enter")
    page.until("document.querySelector('[role=status]')", "told what happened")
    assert "1 entries are tried again" in page.text("[role=status]")
    assert len(site.world.ledger.dead_letters().data) == 1


def test_the_picture_is_shown_small_from_our_own_address(site: Site, page: Page) -> None:
    sign_in(page, site.url, OPERATOR_KEY)
    page.open(f"{site.url}/pages/asset?site=s&id=photo-00")
    page.until("document.querySelector('img.picture').naturalWidth > 100", "the picture")
    assert page.do("document.querySelector('img.picture').naturalWidth") <= 640
    assert page.do("new URL(document.querySelector('img.picture').src).origin === location.origin")


def test_the_figures_of_a_backfill_change_while_one_looks(site: Site, page: Page) -> None:
    sign_in(page, site.url, OPERATOR_KEY)
    page.open(f"{site.url}/pages/backfills")
    page.until("document.querySelector('[hx-get]').innerText.includes('0 of 40 images')", "the start")
    [job, *_] = site.world.ledger.jobs(backfill_id="bkf_1").data
    site.world.ledger.cancel(job.id)
    page.until("document.querySelector('[hx-get]').innerText.includes('1 of 40 images')", "one more")
    site.world.ledger.set_backfill_status("bkf_1", "paused")
    page.until("document.querySelector('button[value=resume]')", "the button changes with the state")
    site.world.ledger.set_backfill_status("bkf_1", "running")
