"""Which texts and tags are published, reviewed or suppressed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from tagger.annotation import Annotation, Field, Verdict
from tagger.asset import Context
from tagger.catalog.load import load_catalog
from tagger.catalog.profile import Profile, built_in, parse
from tagger.catalog.vocabulary_file import built_in as vocabulary_of
from tagger.judge import gate
from tagger.prediction import CaptionPrediction, DetectedObject, EntailmentPrediction, KindScore, Look, Prediction, TermScore

TEXT = "a tabby cat on a red sofa"
OFA = CaptionPrediction(model="ofa-caption@1a2b", text=TEXT, score=0.9, log_prob=math.log(0.7))
LITE = CaptionPrediction(model="lite-composed@9f8e", text=TEXT, score=0.9)
SCORES = [
    TermScore(category="subject", term="cat", score=0.97, model="lite-tags@1"),
    TermScore(category="thing", term="furniture", score=0.8, model="lite-tags@1"),
    TermScore(category="subject", term="dog", score=0.1, model="lite-tags@1"),
]


def prediction(caption: CaptionPrediction | None = OFA, **more: Any) -> Prediction:
    return Prediction(**{"width": 640, "height": 480, "caption": caption, **more})


def look(*, uniform: bool) -> Look:
    plain = {"warm": False, "cold": False, "bright": False, "dark": False, "black_and_white": False}
    return Look(dominant=(("white", 1.0),), uniform=uniform, **plain)


def judge(
    seen: Prediction,
    *,
    fields: Sequence[Field] = ("alt_text",),
    locales: Sequence[str] = ("en",),
    profile: Profile | None = None,
    context: Context | None = None,
    scores: Sequence[TermScore] = SCORES,
) -> tuple[tuple[Annotation, ...], Verdict]:
    question = gate.Question(
        vocabulary=vocabulary_of("general"),
        profile=profile or built_in("general"),
        site_id="s",
        locales=locales,
        fields=fields,
        context=context or Context(contains_text=False),
    )
    return gate.judge(seen, scores, question)


def one(seen: Prediction, **more: Any) -> Annotation:
    return judge(seen, **more)[0][0]


def test_a_sure_caption_publishes_with_its_origin() -> None:
    (alt, caption), verdict = judge(prediction(), fields=("alt_text", "caption"))
    assert (alt.value, caption.value) == ("Tabby cat on a red sofa", "A tabby cat on a red sofa.")
    assert (alt.model, alt.source, alt.rules, alt.score) == ("ofa-caption@1a2b", "model", ("A4",), pytest.approx(0.7))
    assert verdict == Verdict(action="publish", reasons=())


def test_an_unsure_caption_goes_to_review_with_its_text() -> None:
    found = one(prediction(CaptionPrediction(model="ofa-caption@1", text=TEXT, score=0.9, log_prob=-1.2)))
    assert (found.value, found.verdict) == ("Tabby cat on a red sofa", Verdict(action="review", reasons=("low_score",)))


@pytest.mark.parametrize(
    ("score", "specific", "verdict"),
    [
        (0.80, True, Verdict(action="publish")),
        (0.79, True, Verdict(action="review", reasons=("low_score",))),
        (0.95, False, Verdict(action="review", reasons=("not_specific",))),
    ],
)
def test_lite_captions_publish_only_where_specific_and_sure(score: float, specific: bool, verdict: Verdict) -> None:
    caption = CaptionPrediction(model="lite-composed@1", text=TEXT, score=score, specific=specific)
    assert one(prediction(caption)).verdict == verdict


def test_a_caption_on_which_two_models_do_not_agree_says_so() -> None:
    caption = CaptionPrediction(model="lite-composed@1", text=TEXT, score=0.99, specific=False, agreed=False)
    assert one(prediction(caption)).verdict == Verdict(action="review", reasons=("not_agreed",))


def test_lite_tags_publish() -> None:
    tags = one(prediction(LITE), fields=("tags",))
    assert isinstance(tags.value, tuple)
    assert [(t.id, t.label, t.category) for t in tags.value] == [("cat", "cat", "subject"), ("furniture", "furniture", "thing")]
    assert (tags.verdict.action, tags.model, tags.score) == ("publish", "lite-tags@1", 0.8)


def test_no_tag_is_no_proposal() -> None:
    tags = one(prediction(), fields=("tags",), scores=[])
    assert (tags.value, tags.verdict) == (None, Verdict(action="suppress", reasons=("no_tags",)))


def test_no_caption_is_no_proposal_and_never_an_empty_text() -> None:
    found = one(prediction(None))
    assert (found.value, found.model, found.verdict.reasons) == (None, None, ("no_caption",))


def test_a_chinese_locale_gets_chinese_tags_and_never_an_english_text() -> None:
    (alt, caption, tags), _ = judge(prediction(), fields=("alt_text", "caption", "tags"), locales=("zh-Hans",))
    assert (alt.value, caption.value) == (None, None)
    assert alt.verdict == Verdict(action="suppress", reasons=("no_text_in_locale",))
    assert isinstance(tags.value, tuple)
    assert [t.label for t in tags.value] == ["猫", "家具"]


BOTH = CaptionPrediction(model="lite-composed@1", text="a cat", score=0.9, others=(("zh", "一只猫"),))


def test_a_model_that_writes_chinese_is_read_in_chinese() -> None:
    (alt, caption), _ = judge(prediction(BOTH), fields=("alt_text", "caption"), locales=("zh-Hans",))
    assert (alt.value, caption.value, alt.model) == ("一只猫", "一只猫。", "lite-composed@1")
    assert one(prediction(BOTH), locales=("zh",)).value == "一只猫"
    assert one(prediction(BOTH), locales=("en",)).value == "Cat"


@pytest.mark.parametrize("locale", ["zh-Hant", "zh-TW", "fr"])
def test_no_text_is_offered_in_another_script_or_language(locale: str) -> None:
    assert one(prediction(BOTH), locales=(locale,)).verdict == Verdict(action="suppress", reasons=("no_text_in_locale",))


def test_what_the_check_says_of_the_english_text_holds_for_the_chinese_one() -> None:
    denied = EntailmentPrediction(model="ofa-entail@1", text="Cat", yes=0.1, maybe=0.1, no=0.8)
    for locale in ("en", "zh-Hans"):
        assert one(prediction(BOTH, entailment=(denied,)), locales=(locale,)).verdict.reasons == ("check_no",), locale


def test_a_language_without_labels_says_so() -> None:
    assert one(prediction(), fields=("tags",), locales=("fr",)).verdict == Verdict(
        action="publish", reasons=("label_not_translated",)
    )


@pytest.mark.parametrize("locale", ["en", "zh-Hans"])
def test_a_decorative_role_publishes_an_empty_alt_text_and_no_caption(locale: str) -> None:
    (alt, caption), _ = judge(prediction(), fields=("alt_text", "caption"), locales=(locale,), context=Context(role="decorative"))
    assert (alt.value, alt.verdict.action, alt.rules, alt.source, alt.model) == ("", "publish", ("A9",), "rule", None)
    assert caption.value is None


BLANK = prediction(look=look(uniform=True), content="blank")


@pytest.mark.parametrize("seen", [BLANK, prediction(None, width=1, height=400)])
def test_a_uniform_or_tiny_picture_publishes_an_empty_alt_text(seen: Prediction) -> None:
    found = one(seen)
    assert (found.value, found.verdict.action, found.rules) == ("", "publish", ("A9",))


def test_an_ordinary_picture_is_never_called_decorative() -> None:
    assert one(prediction(None, look=look(uniform=False))).value is None


@pytest.mark.parametrize("content", ["shown", "hidden"])
def test_what_the_decoder_does_not_call_blank_is_never_called_decorative(content: Any) -> None:
    """A white logo on transparency is white all over only for the models, which get it laid on white."""
    found = one(prediction(None, look=look(uniform=True), content=content))
    assert (found.value, found.verdict.action) == (None, "suppress")


def test_nothing_is_said_of_what_the_models_did_not_see() -> None:
    seen = prediction(look=look(uniform=True), content="hidden")
    made, verdict = judge(seen, fields=("alt_text", "caption", "title", "tags"))
    assert {(a.value, a.verdict.action, a.verdict.reasons) for a in made} == {(None, "suppress", ("hidden",))}
    assert gate.delivery_fields(made) is None
    assert verdict.action == "suppress"
    question = gate.Question(
        vocabulary=vocabulary_of("general"),
        profile=built_in("general"),
        site_id="s",
        locales=("en",),
        fields=("alt_text",),
        context=Context(),
    )
    assert gate.statements(seen, question) == (), "and no check model is asked about it"


@pytest.mark.parametrize("role", ["link", "button", "logo"])
def test_a_functional_picture_goes_to_a_person(role: Any) -> None:
    found = one(prediction(), context=Context(role=role, contains_text=False))
    assert found.verdict == Verdict(action="review", reasons=("needs_purpose",))


def test_text_that_was_never_looked_for_is_noted_on_what_publishes() -> None:
    found = one(prediction(), context=Context())
    assert found.verdict == Verdict(action="publish", reasons=("text_unchecked",))
    assert "A10" in found.rules


def test_a_supplied_text_is_not_offered_again() -> None:
    found = one(prediction(), context=Context(contains_text=False, caption="A tabby cat on a red sofa"))
    assert found.verdict == Verdict(action="review", reasons=("redundant",))


def test_a_count_is_held_against_the_detector() -> None:
    seen = prediction(
        CaptionPrediction(model="ofa-caption@1", text="two dogs on a lawn", score=0.9),
        objects=tuple(DetectedObject(label="dog", score=0.9, box=(0, 0, 1, 1)) for _ in range(3)),
    )
    assert "count_contradicts" in one(seen).verdict.reasons


def entailed(yes: float, maybe: float, no: float, text: str = TEXT) -> tuple[EntailmentPrediction, ...]:
    return (EntailmentPrediction(model="ofa-entailment@1", text=text, yes=yes, maybe=maybe, no=no),)


@pytest.mark.parametrize(
    ("name", "answer", "action", "reasons", "kept"),
    [
        ("general", (0.8, 0.1, 0.1), "publish", (), True),
        ("general", (0.2, 0.6, 0.2), "review", ("check_maybe",), True),
        ("general", (0.1, 0.2, 0.7), "suppress", ("check_no",), False),
        ("marketing", (0.2, 0.6, 0.2), "publish", (), True),
        ("marketing", (0.1, 0.2, 0.7), "review", ("check_no",), True),
    ],
)
def test_the_caption_check_does_what_the_profile_says(
    name: str, answer: tuple[float, float, float], action: str, reasons: tuple[str, ...], kept: bool
) -> None:
    found = one(prediction(entailment=entailed(*answer)), profile=built_in(name))
    assert (found.verdict.action, found.verdict.reasons, found.value is not None) == (action, reasons, kept)


def test_the_check_of_another_text_says_nothing() -> None:
    assert one(prediction(entailment=entailed(0, 0, 1, "a dog"))).verdict.action == "publish"


def test_a_profile_sets_its_own_least_score() -> None:
    strict = parse("profile: p\nversion: 1\nvocabulary: general\ninstruction: x\nleast_score: {ofa: 0.75}\n")
    assert one(prediction(), profile=strict).verdict.reasons == ("low_score",)
    assert one(prediction(LITE), profile=strict).verdict.action == "publish"


@pytest.mark.parametrize("log_prob", [math.nan, -math.inf, 5.0])
def test_a_broken_score_never_lifts_a_caption_over_the_gate(log_prob: float) -> None:
    found = one(prediction(CaptionPrediction(model="ofa-caption@1", text=TEXT, score=0.9, log_prob=log_prob)))
    assert found.score is not None
    assert 0 <= found.score <= 1


def test_the_delivery_holds_what_publishes_and_nothing_else() -> None:
    annotations, _ = judge(prediction(), fields=("alt_text", "caption", "tags"), locales=("en", "zh-Hans"))
    fields = gate.delivery_fields(annotations)
    assert fields == {
        "alt_text": {
            "en": {
                "value": "Tabby cat on a red sofa",
                "source": "model",
                "model": "ofa-caption@1a2b",
                "score": pytest.approx(0.7),
            }
        },
        "caption": {
            "en": {
                "value": "A tabby cat on a red sofa.",
                "source": "model",
                "model": "ofa-caption@1a2b",
                "score": pytest.approx(0.7),
            }
        },
        "tags": {
            "add": [
                {"id": "cat", "label": "cat", "score": 0.97, "labels": {"en": "cat", "zh-Hans": "猫"}},
                {"id": "furniture", "label": "furniture", "score": 0.8, "labels": {"en": "furniture", "zh-Hans": "家具"}},
            ],
            "remove": [],
        },
    }


def test_a_decorative_text_is_delivered_and_a_review_is_not() -> None:
    empty, _ = judge(prediction(), context=Context(role="decorative"))
    assert gate.delivery_fields(empty) == {"alt_text": {"en": {"value": "", "source": "rule", "model": None, "score": None}}}
    asked, verdict = judge(prediction(), context=Context(role="link", contains_text=False))
    assert (gate.delivery_fields(asked), verdict.action) == (None, "review")


def test_one_locale_needs_no_table_of_labels() -> None:
    annotations, _ = judge(prediction(), fields=("tags",), locales=("zh-Hans",))
    fields = gate.delivery_fields(annotations)
    assert fields is not None
    assert fields["tags"]["add"][0] == {"id": "cat", "label": "猫", "score": 0.97}


def test_every_reason_of_the_gate_has_a_sentence() -> None:
    cases = [prediction(), prediction(None), prediction(LITE), prediction(entailment=entailed(0, 1, 0))]
    for seen in cases:
        for name in load_catalog().profiles:
            annotations, _ = judge(
                seen, fields=("alt_text", "caption", "title", "tags"), locales=("en", "zh-Hans", "fr"), profile=name
            )
            assert all(reason in gate.REASONS for a in annotations for reason in a.verdict.reasons)


def test_annotations_survive_their_stored_form() -> None:
    annotations, _ = judge(prediction(), fields=("alt_text", "tags"), locales=("en", "zh-Hans"))
    assert tuple(Annotation.from_dict(a.to_dict()) for a in annotations) == annotations


def test_a_chart_by_its_pixels_goes_to_a_person_and_its_kind_is_told() -> None:
    (alt, tags), _ = judge(prediction(kinds=(KindScore(kind="chart", score=0.9),)), fields=("alt_text", "tags"))
    assert alt.verdict.action == "review"
    assert "needs_long_description" in alt.verdict.reasons
    assert (alt.kind, tags.kind, alt.to_dict()["kind"]) == ("chart", "chart", "chart")
    assert Annotation.from_dict(alt.to_dict()) == alt


def test_an_unsure_kind_is_not_told() -> None:
    assert one(prediction(kinds=(KindScore(kind="chart", score=0.4),))).kind is None
    assert one(prediction()).kind is None
