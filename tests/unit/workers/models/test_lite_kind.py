"""What kind of picture it is, from the pixels, and what that means for the words."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tagger.alttext.types import Facts
from tagger.asset import PictureKind
from tagger.judge.gate import facts_of
from tagger.prediction import KindScore, Pixels, Prediction
from workers.models.lite.kind import kinds
from workers.models.lite.look import look
from workers.models.lite.of_kind import adjust, named

PHOTOS = sorted(p for p in (Path(__file__).parents[4] / "tagger" / "demo" / "photos").iterdir() if p.suffix in (".jpg", ".png"))


def pixels_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def chart() -> Pixels:
    image = Image.new("RGB", (700, 450), "white")
    draw, rng = ImageDraw.Draw(image), random.Random(1)
    draw.line((70, 30, 70, 400, 670, 400), fill="black", width=2)
    for i in range(9):
        draw.rectangle((90 + 64 * i, rng.randrange(60, 360), 130 + 64 * i, 400), fill=(40, 110, 190))
        draw.text((95 + 64 * i, 410), f"{2010 + i}", fill="black", font=ImageFont.load_default(13))
        draw.text((35, 45 + 42 * i), f"{90 - 10 * i}", fill="black", font=ImageFont.load_default(13))
    return np.asarray(image)


def page() -> Pixels:
    image = Image.new("RGB", (700, 950), "white")
    draw, rng = ImageDraw.Draw(image), random.Random(2)
    for y in range(80, 880, 21):
        words = " ".join("".join(rng.choice("aeinorst") for _ in range(rng.randrange(2, 9))) for _ in range(13))
        draw.text((75, y), words[:76], fill=(15, 15, 15), font=ImageFont.load_default(14))
    return np.asarray(image)


@pytest.mark.parametrize("path", PHOTOS, ids=[path.stem for path in PHOTOS])
def test_the_photographs_of_the_demo_are_photographs(path: Path) -> None:
    first = kinds(pixels_of(path))[0]
    assert (first.kind, first.score >= 0.5) == ("photograph", True)


def test_a_chart_and_a_page_of_text_are_told_apart() -> None:
    for pixels, kind in ((chart(), "chart"), (page(), "document")):
        first = kinds(pixels)[0]
        assert (first.kind, first.score >= 0.5) == (kind, True)


def test_the_probabilities_sum_to_one_and_a_dot_has_none() -> None:
    assert sum(k.score for k in kinds(chart())) == pytest.approx(1.0, abs=0.001)
    assert kinds(chart()[:4, :4]) == ()


def seen(kind: PictureKind, score: float = 1.0) -> Prediction:
    return Prediction(width=700, height=450, kinds=(KindScore(kind=kind, score=score),))


def test_the_words_of_a_photograph_are_not_said_of_a_chart() -> None:
    terms, looks = [(1, named(["chart"]))], [(2, "black and white")]
    scores = np.array([0.97, 0.1, 0.9])
    assert adjust(scores, seen("chart"), terms, looks).tolist() == [0.0, 1.0, 0.0]
    assert adjust(scores, seen("photograph"), terms, looks).tolist() == [0.97, 0.0, 0.9]
    assert adjust(scores, Prediction(width=9, height=9), terms, looks).tolist() == scores.tolist()


@pytest.mark.parametrize("kind", ["chart", "map"])
def test_a_chart_is_known_to_the_text_rules(kind: PictureKind) -> None:
    facts = facts_of(seen(kind))
    assert (facts.kind, facts.contains_text) == (kind, True)
    assert facts_of(seen("photograph")) == Facts(kind="photograph")


def test_a_dark_picture_is_not_black_and_white() -> None:
    rng = np.random.default_rng(1)
    dark = (rng.integers(0, 16, (80, 80, 1)) * np.array([1.0, 0.4, 0.2])).astype(np.uint8)
    dark[30:40, 30:40] = (44, 30, 22)
    assert not look(dark).black_and_white
    assert not look(np.zeros((80, 80, 3), np.uint8)).black_and_white
    grey = np.repeat(rng.integers(0, 255, (80, 80, 1)), 3, axis=2).astype(np.uint8)
    assert look(grey).black_and_white
