"""Each English text that would be offered is held against its image, once; and what a profile makes of the answer."""

from __future__ import annotations

from dataclasses import replace

from tagger.annotation import Field
from tagger.asset import Context
from tagger.catalog.profile import built_in
from tagger.catalog.vocabulary import Vocabulary
from tagger.judge import gate
from tagger.prediction import CaptionPrediction, EntailmentPrediction, Prediction

WORDS = Vocabulary(name="none", version=1, categories=())
SEEN = Prediction(
    width=640,
    height=480,
    caption=CaptionPrediction(model="ofa-caption@1", text="a picture of two brown dogs playing in the snow.", score=0.9),
)
NEWS = built_in("news")


def question(fields: tuple[Field, ...], locales: tuple[str, ...] = ("en",), context: Context | None = None) -> gate.Question:
    return gate.Question(
        vocabulary=WORDS,
        profile=NEWS,
        site_id="s",
        locales=locales,
        fields=fields,
        context=context or Context(role="informative"),
    )


def offered(
    prediction: Prediction = SEEN, *, locales: tuple[str, ...] = ("en",), context: Context | None = None
) -> tuple[str, ...]:
    return gate.statements(prediction, question(("alt_text", "caption", "tags"), locales, context))


def answer(text: str, *, yes: float, no: float) -> EntailmentPrediction:
    return EntailmentPrediction(model="ofa-entailment@1", text=text, yes=yes, no=no, maybe=round(1 - yes - no, 6))


def actions(prediction: Prediction) -> dict[str, tuple[str, tuple[str, ...]]]:
    annotations, _ = gate.judge(prediction, (), question(("alt_text", "caption")))
    return {a.field: (a.verdict.action, a.verdict.reasons) for a in annotations}


def test_the_words_as_they_would_stand_are_checked_not_the_models_own() -> None:
    texts = offered()
    assert texts
    assert all("picture of" not in text.lower() for text in texts)
    assert len({text.casefold().rstrip(".") for text in texts}) == len(texts), "the same words are checked once"


def test_only_english_is_checked_and_only_what_the_model_said() -> None:
    assert offered(locales=("zh-Hans", "fr")) == ()
    assert offered(locales=("en-GB", "zh-Hans")) == offered()
    assert offered(replace(SEEN, caption=None)) == ()
    decorative = gate.statements(SEEN, question(("alt_text",), context=Context(role="decorative")))
    assert decorative == ()


def test_what_was_checked_already_is_not_asked_again() -> None:
    texts = offered()
    seen = replace(SEEN, entailment=tuple(answer(text.upper(), yes=0.9, no=0.05) for text in texts))
    assert gate.unchecked(SEEN, texts) == texts
    assert gate.unchecked(seen, texts) == ()


def test_yes_maybe_and_no_do_what_the_profile_says() -> None:
    (text, *_) = offered()
    yes = actions(replace(SEEN, entailment=(answer(text, yes=0.9, no=0.05),)))
    maybe = actions(replace(SEEN, entailment=(answer(text, yes=0.2, no=0.2),)))
    no = actions(replace(SEEN, entailment=(answer(text, yes=0.1, no=0.8),)))
    assert yes == actions(SEEN)
    assert maybe["caption"] == ("review", ("check_maybe",))
    assert no["caption"] == ("suppress", ("check_no",))
    assert gate.opinion(answer(text, yes=0.1, no=0.8), NEWS).reasons == ("check_no",)
