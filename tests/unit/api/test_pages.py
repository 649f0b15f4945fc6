"""The frame of the pages and the lists, over ASGI and a real ledger: who may see and do what, and what no page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.ledger_cases import World
from support.pages import OPERATOR_KEY, SITE_KEY, Visitor, with_keys

from tagger.api.pages.guesses import FREE
from tagger.api.pages.session import LIFE_MS
from tagger.asset import ImageSource
from tagger.backfill import Backfill
from tagger.errors import DecodeError
from tagger.keys import hash_key
from tagger.ledger import Ledger
from tagger.site import Site

PAGES = ("jobs", "deliveries", "dead-letters", "backfills", "sites")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    with_keys(made)
    yield made
    made.ledger.close()


@pytest.fixture
def visitor(world: World, tmp_path: Path) -> Iterator[Visitor]:
    made = Visitor(world, tmp_path, describe_wait_seconds=0.05)
    with made.client:
        yield made


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_a_page_without_signing_in(visitor: Visitor, page: str) -> None:
    answer = visitor.get(f"{page}?site=s")
    assert (answer.status_code, answer.headers["location"]) == (303, f"login?next={page}%3Fsite%3Ds")


def test_a_key_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use(visitor: Visitor) -> None:
    answer = visitor.sign_in()
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "jobs")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"Max-Age={LIFE_MS // 1000}" in cookie
    assert "Secure" not in cookie
    assert SITE_KEY not in cookie
    assert visitor.get("jobs").status_code == 200
    assert "Secure" in visitor.sign_in(headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]


def test_the_login_page_leads_only_to_our_own_pages(visitor: Visitor) -> None:
    for target in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "jobs\nx",
        "../v1/jobs",
        "javascript:alert(1)",
        "jobs?asset=中",
        "logout",
    ):
        answer = visitor.client.post("/pages/login", data={"key": SITE_KEY, "next": target})
        assert answer.headers["location"] == "jobs", target
    answer = visitor.client.post("/pages/login", data={"key": SITE_KEY, "next": "asset?site=s&id=a%2Fb"})
    assert answer.headers["location"] == "asset?site=s&id=a%2Fb"


def test_a_form_that_cannot_be_read_is_told_as_such(visitor: Visitor) -> None:
    answer = visitor.client.post("/pages/login", content=b"--x", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 422
    assert "text/html" in answer.headers["content-type"]


def test_a_wrong_key_is_told_and_guessing_is_slowed_down(visitor: Visitor) -> None:
    for _ in range(FREE):
        assert visitor.sign_in("wrong").status_code == 403
    answer = visitor.sign_in(SITE_KEY)
    assert answer.status_code == 429, "also a right key waits, else the wait would tell which key is right"
    assert int(answer.headers["retry-after"]) >= 1
    assert "too many wrong keys" in answer.text


def test_signing_out_and_revoking_the_key_both_end_the_session(visitor: Visitor) -> None:
    visitor.sign_in()
    assert visitor.send("logout", {}).status_code == 303
    assert visitor.get("jobs").status_code == 303
    visitor.sign_in()
    assert visitor.get("jobs").status_code == 200
    [key] = visitor.world.ledger.keys("s")
    visitor.world.ledger.revoke_key(key.id)
    assert visitor.get("jobs").status_code == 303


def test_a_form_needs_the_token_of_its_own_session(visitor: Visitor) -> None:
    visitor.sign_in()
    first = visitor.token()
    for token in ("", "0" * 64, "\u00e9"):
        answer = visitor.client.post("/pages/logout", data={"csrf": token})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), token
    visitor.sign_in()
    assert visitor.client.post("/pages/logout", data={"csrf": first}).status_code == 403
    assert visitor.get("jobs").status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
                         ids=["origin", "fetch-site", "null"])  # fmt: skip
def test_a_page_of_another_site_can_send_no_form(visitor: Visitor, headers: dict[str, str]) -> None:
    assert visitor.sign_in(headers=headers).status_code == 403
    visitor.sign_in(headers={"Origin": "http://testserver"})
    assert visitor.send("logout", {}, headers=headers).status_code == 403
    assert visitor.get("jobs").status_code == 200


def test_a_link_from_another_site_opens_the_page_without_a_second_login(visitor: Visitor) -> None:
    answer = visitor.get("jobs?site=s", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0;url=jobs?site=s"' in answer.text


@pytest.mark.parametrize("page", ["login", "jobs", "no-such-page?x=1"])
def test_every_answer_forbids_inline_code_foreign_addresses_and_frames(visitor: Visitor, page: str) -> None:
    visitor.sign_in()
    answer = visitor.get(page)
    if answer.status_code == 404 and "problem+json" in answer.headers["content-type"]:
        return  # the API's own answer: no page
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    for target in re.findall(r'(?:src|href|action)="([^"]+)"', answer.text):
        assert not target.startswith(("http", "/")), f"{target} is not relative"


def test_a_reviewer_sees_the_own_site_alone_and_an_operator_all(visitor: Visitor) -> None:
    world = visitor.world
    world.ledger.put_site(Site(id="other", name="Other"))
    world.accept("mine")
    world.accept("theirs", site="other")
    visitor.sign_in()
    assert "mine" in visitor.text("jobs")
    assert "theirs" not in visitor.text("jobs")
    for page in ("jobs?site=other", "deliveries?site=other", "dead-letters?site=other", "asset?site=other&id=theirs"):
        assert visitor.get(page).status_code == 404, page
    visitor.sign_in(OPERATOR_KEY)
    assert {"mine", "theirs"} <= set(visitor.text("jobs").split())
    assert "theirs" not in visitor.text("jobs?site=s")
    assert "theirs" in visitor.text("asset?site=other&id=theirs")


def test_what_a_stranger_named_is_shown_as_text(visitor: Visitor) -> None:
    name = "<script>alert(1)</script>\"'&"
    visitor.world.accept(name)
    visitor.sign_in()
    for page in ("jobs", "asset?id=%3Cscript%3Ealert(1)%3C/script%3E%22'%26", "jobs?asset=%3Cscript%3E"):
        answer = visitor.get(page)
        assert answer.status_code == 200
        assert "<script>" not in answer.text.replace('<script src="static', "")
        assert "&lt;script&gt;" in answer.text


def test_a_dead_letter_is_tried_again_by_its_site_and_discarded_only_by_an_operator(visitor: Visitor) -> None:
    world = visitor.world
    ids = [dead(world, asset) for asset in ("a", "b")]
    visitor.sign_in()
    assert "Describing failed" in visitor.text("dead-letters")
    assert visitor.send("discard-dead-letters", {"id": ids}).status_code == 403
    assert visitor.send("replay-dead-letters", {}).status_code == 422
    answer = visitor.send("replay-dead-letters", {"id": [ids[0]]})
    assert answer.headers["location"] == "dead-letters?did=replayed&number=1"
    assert "1 entries are tried again" in visitor.text("dead-letters?did=replayed&number=1")
    assert [letter.id for letter in world.ledger.dead_letters().data] == [ids[1]]
    assert visitor.send("replay-dead-letters", {"id": [ids[0]]}).status_code == 422, "it must never mean all"
    assert [letter.id for letter in world.ledger.dead_letters().data] == [ids[1]]
    visitor.sign_in(OPERATOR_KEY)
    visitor.send("discard-dead-letters", {"id": [ids[1]]})
    assert world.ledger.dead_letters().data == []
    assert sorted((entry.action, entry.actor) for entry in world.ledger.audit_entries()) == actions(world.ledger)


def actions(ledger: Ledger) -> list[tuple[str, str]]:
    [key] = ledger.keys("s")
    return [("dead_letter.discarded", "api:operator"), ("dead_letter.replayed", f"api:{key.id}")]


def test_another_sites_dead_letter_is_not_replayed(visitor: Visitor) -> None:
    world = visitor.world
    world.ledger.put_site(Site(id="other", name="Other"))
    world.ledger.add_key("other", "test", hash_key("key-of-other"))
    letter = dead(world, "a")
    visitor.sign_in("key-of-other")
    assert visitor.send("replay-dead-letters", {"id": [letter]}).status_code == 422
    assert [one.id for one in world.ledger.dead_letters().data] == [letter]


@pytest.mark.parametrize(("asked", "word"), [("zh-CN,en;q=0.5", "图片"), ("de,en;q=0.5,zh;q=0.1", "Images"), ("", "Images")],
                         ids=["zh", "en", "none"])  # fmt: skip
def test_a_page_speaks_the_language_that_the_browser_asks_for(visitor: Visitor, asked: str, word: str) -> None:
    visitor.sign_in()
    assert f"<h1>{word}</h1>" in visitor.get("jobs", headers={"Accept-Language": asked}).text


def test_the_switch_of_languages_is_remembered(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.get("jobs?status=done&lang=zh").text
    assert '<html lang="zh">' in page
    assert 'href="jobs?status=done&amp;lang=en"' in page, "the filter stays"
    assert '<html lang="zh">' in visitor.get("deliveries").text


@pytest.mark.parametrize("page", PAGES[:-1])
def test_an_empty_page_says_what_to_do(visitor: Visitor, page: str) -> None:
    visitor.sign_in()
    assert 'class="empty"' in visitor.get(page).text


@pytest.mark.parametrize(
    "page", ["jobs?status=nonsense", "jobs?reason=nonsense", "asset", "asset?id=unknown", "dead-letters?number=x"]
)
def test_a_mistake_is_answered_with_a_page_that_says_what_to_do(visitor: Visitor, page: str) -> None:
    visitor.sign_in()
    answer = visitor.get(page)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")
    assert "What to do:" in answer.text


def dead(world: World, asset: str) -> str:
    """The id of a dead job."""
    job = world.accept(asset)
    assert world.ledger.fail(world.claimed(job), DecodeError("Not an image.").info(), {}) == "dead"
    return job


def test_a_picture_comes_from_our_own_address_or_a_drawing_says_why_there_is_none(visitor: Visitor) -> None:
    visitor.sign_in()
    private = ImageSource(kind="url", location="http://127.0.0.1:9/a.jpg")  # an address that is never fetched
    [accepted] = visitor.world.ledger.accept([replace(visitor.world.request("a"), source=private)])
    job = accepted.job_id
    answer = visitor.get(f"picture?job={job}", headers={"Accept-Language": "zh"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "无法取得图片" in answer.text
    page = visitor.get("asset?site=s&id=a").text
    assert f'src="picture?job={job}"' in page
    assert "127.0.0.1" not in page, "no address of the CMS stands in the page"


def test_a_picture_of_another_site_does_not_exist(visitor: Visitor) -> None:
    visitor.world.ledger.put_site(Site(id="other", name="Other"))
    job = visitor.world.accept("a", site="other")
    visitor.sign_in()
    assert visitor.get(f"picture?job={job}").status_code == 404
    assert "svg" not in visitor.get(f"picture?job={job}").headers["content-type"]


def test_a_backfill_is_paused_resumed_and_cancelled_and_its_figures_are_kept_fresh(visitor: Visitor) -> None:
    ledger = visitor.world.ledger
    backfill(visitor.world, "a", "b")
    visitor.sign_in()
    assert "0 of 2 images are done, 2 wait." in visitor.text("backfills")
    assert 'hx-get="backfill-progress?id=bkf_1&amp;shown=running" hx-trigger="every 2s"' in visitor.get("backfills").text
    part = visitor.get("backfill-progress?id=bkf_1&shown=running")
    assert ("hx-refresh" in part.headers, "<html" in part.text) == (False, False)
    for word, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert visitor.send("move-backfill", {"id": "bkf_1", "to": word}).headers["location"] == "backfills"
        assert ledger.backfill("bkf_1").status == status
    assert visitor.get("backfill-progress?id=bkf_1&shown=running").headers["hx-refresh"] == "true"
    assert visitor.send("move-backfill", {"id": "bkf_1", "to": "resume"}).status_code == 409, "it was cancelled for good"
    assert [entry.action for entry in ledger.audit_entries()] == ["backfill.cancelled", "backfill.resumed", "backfill.paused"]


def test_a_backfill_of_another_site_does_not_exist(visitor: Visitor) -> None:
    backfill(visitor.world, "a")
    visitor.world.ledger.put_site(Site(id="other", name="Other"))
    visitor.world.ledger.add_key("other", "test", hash_key("key-of-other"))
    visitor.sign_in("key-of-other")
    assert "bkf_1" not in visitor.text("backfills")
    assert visitor.get("backfill-progress?id=bkf_1").status_code == 404
    assert visitor.send("move-backfill", {"id": "bkf_1", "to": "pause"}).status_code == 404
    assert visitor.world.ledger.backfill("bkf_1").status == "running"


def test_an_operator_stops_the_writes_of_a_site_and_a_reviewer_cannot(visitor: Visitor) -> None:
    ledger = visitor.world.ledger
    visitor.sign_in()
    assert "https://s.example/hook" in visitor.text("sites")
    assert "whsec" not in visitor.get("sites").text
    assert visitor.send("pause-site", {"site": "s", "to": "pause"}).status_code == 403
    visitor.sign_in(OPERATOR_KEY)
    visitor.send("pause-site", {"site": "s", "to": "pause"})
    assert ledger.get_site("s").writes_paused
    assert "writes are stopped" in visitor.text("sites")
    visitor.send("pause-site", {"site": "s", "to": "resume"})
    assert not ledger.get_site("s").writes_paused


def backfill(world: World, *assets: str) -> None:
    spec = {"profile": "general", "locales": ["en"], "total": len(assets)}
    world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="folder", spec=spec, started_ms=world.now))
    requests = [world.request(asset, backfill_id="bkf_1") for asset in assets]
    world.ledger.feed_backfill("bkf_1", requests, None, True, after=None)


def test_a_picture_that_is_tried_is_described_and_never_sent_to_the_cms(visitor: Visitor) -> None:
    ledger = visitor.world.ledger
    visitor.sign_in()
    answer = visitor.send("try-it", {}, files={"image": ("cat.png", b"bytes", "image/png")})
    [job] = ledger.jobs().data
    assert answer.headers["location"] == f"asset?site=s&id={job.asset_id}"
    assert (job.site_id, job.lane, job.request.deliver) == ("s", "upload", False)
    assert "There are none yet." in visitor.text(answer.headers["location"]), "no worker runs here"
    assert visitor.send("try-it", {}).status_code == 422
    assert visitor.send("try-it", {}, files={"image": ("cat.png", b"", "image/png")}).status_code == 422
    assert visitor.client.post("/pages/try-it", files={"image": ("a.png", b"bytes", "image/png")}).status_code == 403
    visitor.world.ledger.put_site(Site(id="other", name="Other"))
    assert visitor.send("try-it", {"site": "other"}, files={"image": ("a.png", b"bytes", "image/png")}).status_code == 404
    assert len(ledger.jobs().data) == 1


def test_an_image_has_its_rules_and_scores_in_words(visitor: Visitor) -> None:
    visitor.world.described("a")
    visitor.sign_in()
    text = visitor.text("asset?site=s&id=a")
    for words in ("Tabby cat", "90 %", "m@1", "A1: A screen reader already says", "publish", "The image was accepted"):
        assert words in text, words
