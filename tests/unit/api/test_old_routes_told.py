"""What callers of the old routes, and whoever asks for a check, are answered before and after a job."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from acceptance.house import called
from fastapi.testclient import TestClient
from support.ledger_cases.world import BROKEN, World

from tagger.annotation import Action, Annotation, Field, Tag, Verdict
from tagger.api.app import create_app
from tagger.api.routes import compat
from tagger.asset import ImageSource
from tagger.errors import NotChecked
from tagger.job import Description, Job, JobRequest
from tagger.keys import hash_key
from tagger.ledger import open_ledger
from tagger.services import check_texts
from tagger.settings import load
from tagger.site import Site

PIXEL = b"\x89PNG\r\n\x1a\n"
KEY = "tgr_key"
REMEDY = "tagger models pull ofa-entailment"


@contextmanager
def served(home: Path, **settings: Any) -> Iterator[TestClient]:
    chosen = load({}, home=home, broker_url=f"redis+socket://{home}/no.sock", compat_site="site", **settings)
    app = create_app(chosen)
    with TestClient(app, base_url="http://127.0.0.1:8400", client=("127.0.0.1", 5000)) as client:
        ledger = app.state.tagger.ledger
        ledger.put_site(Site(id="site", name="A site"))
        ledger.add_key("site", "test", hash_key(KEY))
        yield client


def answered(action: Action) -> Job:
    """A job whose caption and tags got this verdict."""
    verdict = Verdict(action=action, reasons=("low_score",))
    shared: dict[str, Any] = {"locale": "en", "score": 0.4, "model": "m@1", "rules": (), "verdict": verdict}
    values: dict[Field, Any] = {"caption": "Perhaps a cat", "tags": (Tag(id="cat", label="cat", score=0.4, category="subject"),)}
    found = Description(
        annotations=tuple(Annotation(field=f, value=v, **shared) for f, v in values.items()),
        verdict=verdict, sha256="ab" * 32, width=8, height=6, timings_ms={},
    )  # fmt: skip
    request = JobRequest(site_id="site", asset_id="a", source=ImageSource(kind="url", location="https://x.test/a.png"))
    return Job(
        id="job_1", status="done", lane="upload", site_id="site", asset_id="a", created_ms=0, updated_ms=0, failures=0, crashes=0,
        next_attempt_ms=None, request=request, description=found, error=None, delivery_id=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "review", "caption"),
    [
        ("publish", False, "Perhaps a cat"),
        ("review", False, ""),
        ("suppress", False, ""),
        ("publish", True, "Perhaps a cat"),
        ("review", True, "Perhaps a cat"),
        ("suppress", True, ""),
    ],
)
def test_old_routes_answer_only_what_would_be_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, review: bool, caption: str
) -> None:
    async def ask(*_: Any) -> tuple[None, Job]:
        return None, answered(action)

    monkeypatch.setattr(compat, "ask", ask)
    with served(tmp_path, compat_review=review) as client:
        said = client.post("/api/generate-caption", json={"image": base64.b64encode(PIXEL).decode()})
        tagged = client.post("/api/tag-image", files={"image": ("a.png", PIXEL)}).json()
    assert (said.status_code, said.json()) == (200, {"caption": caption})
    assert tagged["description"] == caption
    assert [tag["tag"] for tag in tagged["tags"]] == (["subject:cat"] if caption else [])


def test_without_a_check_model_every_route_refuses_before_a_job_with_the_remedy(tmp_path: Path) -> None:
    image = {"image": ("a.png", PIXEL)}
    with served(tmp_path) as client:
        asked = client.post("/v1/entailment", files=image, data={"text": "a cat"}, headers={"Authorization": f"Bearer {KEY}"})
        old = [client.post(path, files=image, data={"text": "a cat"}) for path in ("/predict", "/api/v1/visual_entailment")]
        ledger = client.app.state.tagger.ledger  # type: ignore[attr-defined]
        assert ledger.jobs().data == []
    assert (asked.status_code, asked.json()["code"]) == (501, "check_unavailable")
    assert REMEDY in asked.json()["remedy"]
    for answer in old:
        assert (answer.status_code, list(answer.json())) == (501, ["error"])
        assert answer.json()["error"].startswith("check_unavailable: ")
        assert REMEDY in answer.json()["error"]


CHECKS = ("/v1/entailment?wait=0.05", "/predict", "/api/v1/visual_entailment")


def asked_to_check(home: Path, *, setting: str, workers: list[bool]) -> tuple[list[int], int]:
    """The statuses that the three routes answer, and the jobs that they made."""
    with served(home, check=setting) as client:
        ledger = client.app.state.tagger.ledger  # type: ignore[attr-defined]
        for number, checks in enumerate(workers):
            ledger.register_worker(f"w{number}", role="tag", lane="upload", host="elsewhere", pid=1, checks=checks)
        image, head = {"image": ("a.png", PIXEL)}, {"Authorization": f"Bearer {KEY}"}
        answers = [client.post(path, files=image, data={"text": "a cat"}, headers=head) for path in CHECKS]
        return [answer.status_code for answer in answers], len(ledger.jobs().data)


@pytest.mark.parametrize(
    ("setting", "workers", "accepted"),
    [
        ("none", [False, True], True),
        ("fake", [False, False], False),
        ("none", [], False),
        ("fake", [], True),
    ],
    ids=["a worker checks", "no worker checks", "nobody lives, no model is set", "nobody lives, a model is set"],
)
def test_what_the_living_workers_offer_decides_whether_texts_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, workers: list[bool], accepted: bool
) -> None:
    """Roles run apart have settings of their own. An accepted job waits: here for a worker that never claims it."""
    monkeypatch.setattr(compat, "WAIT_SECONDS", 0.05)
    statuses, jobs = asked_to_check(tmp_path, setting=setting, workers=workers)
    assert (statuses, jobs) == (([202, 503, 503], 3) if accepted else ([501] * 3, 0))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.on_sqlite(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


def test_a_check_of_a_site_is_refused_before_the_first_job(world: World, tmp_path: Path) -> None:
    done = called("check", "--site", "s", "--out", str(tmp_path / "o.csv"), home=tmp_path)
    assert (done.returncode, "check_unavailable" in done.stderr, REMEDY in done.stderr) == (1, True, True), done.stderr
    assert world.ledger.jobs().data == []
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("offered", [True, False])
def test_a_check_of_a_site_asks_what_its_workers_offer(world: World, tmp_path: Path, offered: bool) -> None:
    """Whatever `check` is here. There is nothing to check on this site."""
    there = open_ledger(world.url)  # whose clock is the real one
    there.register_worker("now", role="tag", lane="backfill", host="here", pid=1, checks=offered)
    there.close()
    setting = "none" if offered else "fake"
    done = called("check", "--site", "s", "--out", str(tmp_path / "o.csv"), home=tmp_path, TAGGER_CHECK=setting)
    assert (done.returncode, "check_unavailable" in done.stderr) == ((0, False) if offered else (1, True)), done.stderr
    assert (tmp_path / "o.csv").exists() is offered


def test_workers_that_cannot_check_end_the_whole_check_and_leave_no_dead_letter(world: World) -> None:
    """Where the settings of the workers differ from those of the caller."""
    rows = [
        check_texts.Row(index=n, image=f"{n}", text="a cat", source=ImageSource(kind="url", location=f"https://x.test/{n}.png"))
        for n in range(5)
    ]
    real = world.ledger.job_statuses

    def once_a_worker_tried(ids: Any) -> Any:
        if (claim := world.claim(lane="backfill")) is not None:
            assert world.ledger.fail(claim, NotChecked().info(), {}) == "cancelled"
        return real(ids)

    world.ledger.job_statuses = once_a_worker_tried  # type: ignore[method-assign]
    with pytest.raises(NotChecked):
        check_texts.run(world.ledger, "s", "general", rows, lambda _row: None)
    assert world.ledger.dead_letters().data == []
    assert dict(world.ledger.stats().jobs)["cancelled"] == 5


def test_other_failures_of_a_check_still_die(world: World) -> None:
    job = world.accept("a", deliver=False, check_text="a cat")
    for _ in range(5):
        claim = world.claimed(job)
        world.ledger.fail(claim, BROKEN, {})
        world.later(400)
    assert world.status(job) == "dead"
