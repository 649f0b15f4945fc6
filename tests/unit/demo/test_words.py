"""What the demo shows of one image: published, proposed with the reason, an editor's, or why there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tagger.demo.printed import blocks, indented
from tagger.demo.sheet import write_sheet
from tagger.demo.words import Shown, in_short, origin, totals, words_of, written
from tagger.judge.gate import REASONS
from tagger.services.renditions import Renditions
from tagger.settings import load


def offer(field: str, value: Any, action: str = "publish", *reasons: str, score: float | None = 0.9) -> dict[str, Any]:
    return {
        "field": field,
        "locale": "en",
        "value": value,
        "score": score,
        "verdict": {"action": action, "reasons": list(reasons)},
    }


def held(value: str, writer: str = "tagger", score: float | None = 0.9) -> dict[str, Any]:
    return {"en": {"value": value, "writer": writer, "score": score}}


TAGS = offer("tags", [{"id": "t:cat", "label": "cat", "score": 0.97}])


def shown(*annotations: dict[str, Any], error: dict[str, Any] | None = None, file: str = "a.jpg", **fields: Any) -> Shown:
    job = {"error": error, "annotations": list(annotations), "verdict": None}
    return Shown(file=file, picture=Path("absent.jpg"), asset={"fields": fields}, job=job)


PUBLISHED = shown(offer("alt_text", "Cat"), offer("caption", "A cat."), TAGS, alt_text=held("Cat"), caption=held("A cat."))
PROPOSED = shown(offer("alt_text", "Cat", "review", "low_score"), offer("caption", "A cat.", "review", "low_score"), TAGS)
EDITED = shown(offer("alt_text", "Cat"), TAGS, alt_text=held("Our cat", "person", None))
TAGS_ONLY = shown(offer("alt_text", None, "suppress", "no_caption", score=None), TAGS)
FAILED = shown(error={"detail": "The JPEG data ends early.", "code": "image_unreadable"})
ALL = (PUBLISHED, PROPOSED, EDITED, TAGS_ONLY, FAILED, shown())


def test_a_published_text_needs_no_reason() -> None:
    words = words_of(PUBLISHED)
    assert (words.state, words.why) == ("published", ())
    told = [(line.name, line.text, words.told(line)) for line in words.lines]
    assert told == [("alt text", "Cat", "0.90"), ("caption", "A cat.", "0.90")]


def test_a_text_for_review_is_a_proposal_with_its_reason_once() -> None:
    words = words_of(PROPOSED)
    assert (words.state, words.why) == ("proposed", (REASONS["low_score"],))
    assert [words.told(line) for line in words.lines] == ["0.90"] * 2


def test_a_checked_text_says_what_the_check_thinks() -> None:
    accepted = replace(PUBLISHED, checked=True)
    assert words_of(accepted).why == ("The caption check says that the text describes the image.",)
    doubted = shown(offer("caption", "A dog.", "review", "check_maybe"))
    assert words_of(replace(doubted, checked=True)).why == (REASONS["check_maybe"],)
    refused = shown(offer("caption", None, "suppress", "check_no", score=None))
    assert words_of(replace(refused, checked=True)).why == (REASONS["check_no"],)


def test_the_sheet_names_the_models_that_really_wrote() -> None:
    assert "small" in origin([PUBLISHED])
    by_ofa = shown({**offer("caption", "A cat on a sofa."), "model": "ofa-caption@1"})
    assert origin([PUBLISHED, by_ofa]) == "The sentences are those of OFA."
    assert "compared" in origin([replace(by_ofa, checked=True)])


def test_a_line_says_its_standing_where_the_image_is_in_another_state() -> None:
    one_of_two = shown(offer("alt_text", "Cat"), offer("caption", "A cat.", "review", "low_score"), alt_text=held("Cat"))
    words = words_of(one_of_two)
    assert (words.state, [words.told(line) for line in words.lines]) == ("proposed", ["published 0.90", "0.90"])


def test_an_editors_text_is_shown_in_place_of_taggers() -> None:
    words = words_of(EDITED)
    assert (words.state, [(line.text, words.told(line)) for line in words.lines]) == ("editor", [("Our cat", "")])
    assert "did not overwrite" in words.why[0]


def test_an_image_without_a_text_says_why() -> None:
    assert (words_of(TAGS_ONLY).state, words_of(TAGS_ONLY).why) == ("tags", (REASONS["no_caption"],))
    assert (words_of(shown()).state, words_of(shown()).why) == ("nothing", (REASONS["nothing_to_say"],))
    assert (words_of(FAILED).state, words_of(FAILED).why) == ("failed", ("The JPEG data ends early.",))


def test_the_totals_name_every_state_that_occurs() -> None:
    texts = "1 with published texts, 1 with proposed texts, 1 with an editor's text"
    assert totals(map(words_of, ALL)) == f"6 images: {texts}, 1 with tags only, 1 with nothing to say, 1 failed"
    assert totals([words_of(PUBLISHED)]) == "1 image: 1 with published texts"


def test_the_step_by_step_lines_say_what_is_proposed_and_what_is_written() -> None:
    assert in_short(PROPOSED.job) == "“A cat.” (proposed to a person)"
    assert in_short(PUBLISHED.job) == "“A cat.”"
    assert in_short(TAGS_ONLY.job) == "no text; tags: cat"
    assert (written(PUBLISHED.job), written(PROPOSED.job)) == ("alt text, caption, 1 tag", "1 tag")


@pytest.mark.parametrize("width", [80, 40])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    long = shown(offer("caption", " ".join(["sofa"] * 40), "review", "not_agreed"), TAGS, file="a-name-of-a-file-" * 6 + ".jpg")
    console = Console(width=width, color_system=None)
    with console.capture() as caught:
        for block in (*blocks([*ALL, long]), indented("a dead letter with a remedy " * 6)):
            console.print(block)
    lines = caught.get().splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.count("sofa") for line in lines) == 40
    assert sum(line.count("remedy") for line in lines) == 6
    assert any(line.startswith("a.jpg") and line.rstrip().endswith("proposed") for line in lines)


def test_the_sheet_shows_captions_proposals_and_reasons_and_no_markup_of_a_text(tmp_path: Path) -> None:
    nasty = shown(offer("caption", "<b>A cat.</b>", "review", "not_agreed"), file="<i>.jpg")
    with Renditions(load({})) as renditions:
        write_sheet([*ALL, nasty], "lead", tmp_path / "sheet.html", renditions)
    page = (tmp_path / "sheet.html").read_text("utf-8")
    for words in ("◐", REASONS["not_agreed"], "an editor&#39;s text", "&lt;b&gt;A cat.&lt;/b&gt;", "&lt;i&gt;.jpg"):
        assert words in page
    assert "<b>A cat" not in page
