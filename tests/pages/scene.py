"""Fills a ledger with images in every state, for the pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from support.ledger_cases.world import World, description

import tagger
from tagger.annotation import Annotation, Tag, Verdict
from tagger.asset import ImageSource
from tagger.backfill import Backfill
from tagger.errors import DecodeError
from tagger.job import Description

REVIEW = Verdict(action="review", reasons=("low_score", "text_unchecked"))
PHOTOS = Path(tagger.__file__).parent / "demo" / "photos"
FILES = ("china.jpg", "flower.jpg", "sk_astronaut.png", "sk_chelsea.png", "sk_coffee.png")
CAPTIONS = ("Yellow building under a blue sky", "Red dahlia", "Person in orange", "Grey tabby cat", "Cup of coffee on a table")


def proposed(number: int) -> Description:
    text = CAPTIONS[number % len(CAPTIONS)]
    alt = Annotation(
        field="alt_text", locale="en", value=text, score=0.41, model="lite-composed@2", rules=("A1",), verdict=REVIEW,
        kind="photograph",
    )  # fmt: skip
    offered = tuple(Tag(id=word, label=word, score=score) for word, score in (("building", 0.93), ("sky", 0.71)))
    tags = Annotation(
        field="tags", locale="en", value=offered,
        score=0.93, model="lite@2", rules=(), verdict=Verdict(action="publish"),
    )  # fmt: skip
    return replace(description(), annotations=(alt, tags), verdict=Verdict(action="publish"))


def fill(world: World) -> None:
    fields: dict[str, Any] = {"tags": {"add": [{"id": "building", "label": "building", "score": 0.93}]}}
    for number in range(12):
        photo = ImageSource(kind="file", location=str(PHOTOS / FILES[number % len(FILES)]), root=str(PHOTOS))
        [accepted] = world.ledger.accept([replace(world.request(f"photo-{number:02}"), source=photo)])
        job = accepted.job_id
        world.later(1)
        assert world.ledger.complete(world.claimed(job), proposed(number), fields)
        world.later(1)
    first, second, *_ = world.deliverable()
    world.finish(first, "delivered")
    world.finish(second, "reject")
    broken = world.accept("broken")
    world.ledger.fail(world.claimed(broken), DecodeError("Not an image.").info(), {})
    world.accept("just-uploaded")
    spec = {"profile": "general", "locales": ["en"], "total": 40, "folder": "/srv/pictures"}
    world.ledger.start_backfill(Backfill(id="bkf_1", site_id="s", kind="folder", spec=spec, started_ms=world.now))
    requests = [world.request(f"old-{number}", backfill_id="bkf_1") for number in range(10)]
    world.ledger.feed_backfill("bkf_1", requests, None, True, after=None)
