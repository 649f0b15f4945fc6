"""What text and faces in the picture mean for its texts, its counts and its crops."""

from __future__ import annotations

import pytest

from tagger.alttext.rules import alt_text
from tagger.alttext.types import Facts
from tagger.annotation import Annotation
from tagger.asset import Context
from tagger.judge import gate, in_picture
from tagger.prediction import CaptionPrediction, ClassScore, DetectedObject, Face, KindScore, Prediction, TextLine
from workers.models.lite import signs
from workers.pipeline import prediction_codec

SIGN = (ClassScore(label="traffic or street sign", score=0.4), ClassScore(label="payphone", score=0.1))


def line(text: str, score: float = 0.97, x: float = 0.4, y: float = 0.4) -> TextLine:
    return TextLine(text=text, score=score, box=(x, y, x + 0.2, y + 0.05))


def seen(*lines: TextLine, classes: tuple[ClassScore, ...] = SIGN, objects: tuple[DetectedObject, ...] = ()) -> Prediction:
    return Prediction(width=800, height=600, lines=lines, classes=classes, objects=objects)


@pytest.mark.parametrize(
    ("lines", "fact"),
    [
        (None, None),
        ((), False),
        ((line("No entry"),), True),
        ((line("禁止"),), True),
        ((line("No entry", 0.84),), None),
        ((line("ab"),), None),
        ((line("禁"),), None),
        ((line("...."),), None),
        ((line("", 0.3),), None),
        ((line(""), line("No entry")), True),
        ((line("ab", 0.6), line("No entry")), True),
    ],
    ids=[
        "nobody looked",
        "none",
        "english",
        "chinese",
        "unsure",
        "two letters",
        "one sign",
        "dots",
        "not read",
        "one not read",
        "one of two",
    ],
)
def test_text_is_a_fact_only_if_it_was_read(lines: tuple[TextLine, ...] | None, fact: bool | None) -> None:
    prediction = Prediction(width=8, height=8, lines=lines)
    assert in_picture.contains_text(prediction) is fact
    assert gate.facts_of(prediction).contains_text is fact


def test_a_document_contains_text_even_if_its_letters_are_too_small_to_read() -> None:
    page = Prediction(width=8, height=8, lines=(), kinds=(KindScore(kind="document", score=0.9),))
    assert gate.facts_of(page).contains_text is True


def test_a_short_sign_is_quoted_and_publishes() -> None:
    said = signs.caption(seen(line("NO PARKING"), line("AT ANY TIME")), "lite-sign@1")
    assert said is not None
    assert said.text == 'a sign that reads "NO PARKING AT ANY TIME"'
    facts = gate.facts_of(seen(line("NO PARKING"), line("AT ANY TIME")))
    cleaned = alt_text(said.text, facts=facts)
    assert (cleaned.value, cleaned.action) == ('Sign that reads "NO PARKING AT ANY TIME"', "publish")
    assert "contains_text" not in cleaned.reasons


def test_a_stop_sign_is_quoted_if_the_words_stand_on_it() -> None:
    sign = DetectedObject(label="stop sign", score=0.8, box=(0.3, 0.3, 0.7, 0.7))
    assert signs.caption(seen(line("STOP"), classes=(), objects=(sign,)), "m") is not None
    assert signs.caption(seen(line("STOP"), line("CAFE", x=0.8), classes=(), objects=(sign,)), "m") is None


@pytest.mark.parametrize(
    "prediction",
    [
        seen(line("NO PARKING"), classes=(ClassScore(label="bookshop", score=0.9),)),
        seen(line("NO PARKING"), line("unsure", 0.6)),
        seen(line("Sports Centre", 0.99), line("Wivenioe rark", 0.885)),  # read from a sign of Wivenhoe Park
        seen(line("NO PARKING"), line("", 0.3)),
        seen(line("NO PARKING"), line("")),
        seen(*(line("a long text that nobody would call short") for _ in range(3))),
        seen(),
        Prediction(width=8, height=8, classes=SIGN),
        Prediction(width=8, height=8, classes=SIGN, lines=(line("STOP"),), kinds=(KindScore(kind="chart", score=0.9),)),
    ],
    ids=[
        "no sign",
        "an unsure line",
        "a letter in doubt",
        "a line that was not read",
        "a line without a letter",
        "long",
        "nothing read",
        "nobody looked",
        "a chart",
    ],
)
def test_nothing_else_is_quoted(prediction: Prediction) -> None:
    assert signs.caption(prediction, "m") is None


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a cat beside a sign", Facts(contains_text=True, lines=("NO PARKING",))),
        ('a sign that reads "NO PAR"', Facts(contains_text=True, lines=("NO PARKING",))),
        ('a sign that reads "NO PARKING"', Facts(contains_text=True, lines=("NO PARKING", "AT ANY TIME"))),
        ('a sign that reads "NO PARKING" beside "CAFE"', Facts(contains_text=True, lines=("NO PARKING",))),
        ('a sign that reads "NO PARKING"', Facts(contains_text=True)),
        ('a sign that reads "NO PARKING"', Facts(contains_text=False)),
        ('a sign that reads "NO PARKING"', Facts()),
    ],
    ids=["not quoted", "cut", "a line is missing", "more is quoted", "not all was read", "no text was seen", "nobody looked"],
)
def test_a_person_reads_what_is_not_quoted_wholly(text: str, facts: Facts) -> None:
    assert alt_text(text, facts=facts).action == "review"


def test_who_declares_text_accepts_a_complete_quotation() -> None:
    facts = Facts(contains_text=True, lines=("NO PARKING",))
    assert alt_text('a sign that reads "NO PARKING"', facts=facts, context=Context(contains_text=True)).action == "publish"
    assert alt_text("a cat on a sofa", facts=Facts(contains_text=False), context=Context(contains_text=True)).action == "review"


@pytest.mark.parametrize("score", [0.0, 0.3, 0.97])
def test_beside_a_line_that_was_not_read_a_quotation_needs_a_person(score: float) -> None:
    facts = gate.facts_of(seen(line("NO PARKING"), line("", score)))
    assert facts.lines == ()
    assert alt_text('a sign that reads "NO PARKING"', facts=facts).action == "review"


def test_a_text_that_was_seen_and_not_read_is_told_as_unchecked() -> None:
    facts = gate.facts_of(seen(line("", 0.3)))
    assert alt_text("a cat on a sofa", facts=facts).reasons == ("text_unchecked",)
    assert in_picture.text(seen(line("", 0.3))) is None


def test_a_picture_without_text_needs_no_remark() -> None:
    assert alt_text("a cat on a sofa", facts=Facts(contains_text=False)).reasons == ()
    assert alt_text("a cat on a sofa", facts=Facts()).reasons == ("text_unchecked",)


def test_the_text_is_kept_up_to_a_bound() -> None:
    assert in_picture.text(seen(line("NO PARKING"), line("AT ANY TIME"))) == "NO PARKING\nAT ANY TIME"
    assert in_picture.text(seen()) == ""
    assert in_picture.text(seen(line("smear", 0.6))) is None
    assert in_picture.text(Prediction(width=8, height=8)) is None
    assert len(in_picture.text(seen(*(line("word " * 40) for _ in range(24)))) or "") == in_picture.MOST_TEXT


def face(left: float, top: float, size: float) -> Face:
    return Face(score=0.9, box=(left, top, left + size, top + size))


def test_the_focal_point_is_the_middle_of_the_faces_by_their_size() -> None:
    thing = DetectedObject(label="car", score=0.9, box=(0.6, 0.6, 1.0, 1.0))
    both = Prediction(width=8, height=8, objects=(thing,), faces=(face(0.1, 0.1, 0.2),))
    assert in_picture.focal_point(both) == (0.2, 0.2)
    two = Prediction(width=8, height=8, faces=(face(0.0, 0.0, 0.2), face(0.8, 0.8, 0.1)))
    assert in_picture.focal_point(two) == (0.25, 0.25)


def test_without_faces_the_largest_clear_thing_is_kept() -> None:
    large, unsure = (0.5, 0.0, 1.0, 0.5), (0.0, 0.0, 1.0, 1.0)
    things = tuple(
        DetectedObject(label="car", score=s, box=b) for s, b in ((0.9, large), (0.3, unsure), (0.9, (0.0, 0.0, 0.1, 0.1)))
    )
    assert in_picture.focal_point(Prediction(width=8, height=8, objects=things)) == (0.75, 0.25)
    assert in_picture.focal_point(Prediction(width=8, height=8)) is None


def test_persons_are_counted_by_faces_too() -> None:
    one = DetectedObject(label="person", score=0.9, box=(0.0, 0.0, 1.0, 1.0))
    three = tuple(face(x, 0.1, 0.1) for x in (0.1, 0.4, 0.7))
    prediction = Prediction(width=8, height=8, objects=(one,), faces=three)
    assert gate.facts_of(prediction).objects == {"person": 3}
    assert alt_text("three people in a room", facts=gate.facts_of(prediction)).action == "publish"


def test_text_and_faces_survive_the_cache() -> None:
    for lines, faces in (((line("出口"), line("", 0.3)), (face(0.1, 0.1, 0.2),)), ((), ()), (None, None)):
        stored = prediction_codec.load(prediction_codec.dump(Prediction(width=8, height=8, lines=lines, faces=faces)))
        assert stored is not None
        assert (stored.lines, stored.faces) == (lines, faces)


def test_an_annotation_tells_text_and_focal_point_and_an_older_one_is_still_read() -> None:
    caption = CaptionPrediction(model="m@1", text="a cat", score=0.9)
    prediction = Prediction(width=8, height=8, caption=caption, lines=(line("MENU"),), faces=(face(0.1, 0.1, 0.2),))
    (annotation,), _ = gate.judge(prediction, (), _question())
    assert (annotation.text, annotation.focal_point) == ("MENU", (0.2, 0.2))
    assert Annotation.from_dict(annotation.to_dict()) == annotation
    older = {key: value for key, value in annotation.to_dict().items() if key not in ("text", "focal_point")}
    assert Annotation.from_dict(older).focal_point is None


def _question() -> gate.Question:
    from tagger.catalog.profile import built_in
    from tagger.catalog.vocabulary import Vocabulary

    return gate.Question(
        vocabulary=Vocabulary(name="v", version=1, categories=()),
        profile=built_in("general"),
        site_id="s",
        locales=("en",),
        fields=("alt_text",),
        context=Context(),
    )
