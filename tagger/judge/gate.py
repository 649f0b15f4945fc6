"""Gate: what may be published of a prediction, field by field and locale by locale, and why not. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from tagger.alttext import rules
from tagger.alttext.text import fold
from tagger.alttext.types import Cleaned, Facts, TextField
from tagger.annotation import RANK, Action, Annotation, Field, Verdict, overall
from tagger.asset import Context
from tagger.catalog.profile import Profile
from tagger.catalog.vocabulary import Vocabulary
from tagger.judge import in_picture
from tagger.locales import chinese_script, language
from tagger.prediction import CaptionPrediction, EntailmentPrediction, Prediction, TermScore

CAPTION_LANGUAGE = "en"  # every caption model writes English, some also other languages; nothing here translates
LEAST_PIXELS = 2  # a picture with no more than these on a side shows nothing
WRITTEN = ("chart", "document", "map", "screenshot")  # kinds of pictures that are read

REASONS: dict[str, str] = {
    **rules.REASONS,
    "no_caption": "No model offered a caption for this image.",
    "no_text_in_locale": "The caption model does not write this language, and English does not replace a text in another one.",
    "low_score": "The score of the caption is too low.",
    "not_specific": "The model could name only a general kind of thing.",
    "not_agreed": "Only one of two models sees this in the image.",
    "check_no": "The caption check says that the text does not describe the image.",
    "check_maybe": "The caption check is not sure that the text describes the image.",
    "check_yes": "The profile sends a text to a person even if the caption check accepts it.",
    "no_tags": "No term of the vocabulary is probable enough.",
    "label_not_translated": "Some labels do not exist in this language; labels of another language are shown.",
    "hidden": "The models saw only one colour: the content is in the transparency, in a later frame or in fine detail.",
    "nothing_to_say": "There is nothing to offer for this image.",
}


def facts_of(prediction: Prediction) -> Facts:
    """What the text rules want to know of a prediction."""
    tiny = min(prediction.width, prediction.height) <= LEAST_PIXELS
    one_colour = prediction.content == "blank" and prediction.look is not None and prediction.look.uniform
    written = prediction.kind in WRITTEN
    return Facts(
        objects=in_picture.counts(prediction),
        contains_text=True if written else in_picture.contains_text(prediction),
        lines=() if written else in_picture.quotable(prediction),
        kind=prediction.kind,
        uniform=tiny or one_colour,
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of one image, and by which rules it is answered."""

    vocabulary: Vocabulary
    profile: Profile
    site_id: str
    locales: Sequence[str]
    fields: Sequence[Field]
    context: Context


def judge(prediction: Prediction, scores: Sequence[TermScore], question: Question) -> tuple[tuple[Annotation, ...], Verdict]:
    """One annotation per field and locale, in the order asked for, and the verdict of the whole."""
    annotations: list[Annotation] = []
    for field in question.fields:
        for locale in question.locales:
            if field == "tags":
                annotations.append(_tags(prediction, scores, question, locale))
            else:
                annotations.append(_text(field, locale, prediction, question.vocabulary, question.profile, question.context))
    kind = prediction.kind
    text, focal_point = in_picture.text(prediction), in_picture.focal_point(prediction)
    told = tuple(replace(annotation, kind=kind, text=text, focal_point=focal_point) for annotation in annotations)
    return told, overall(told)


def statements(prediction: Prediction, question: Question) -> tuple[str, ...]:
    """The English texts that would be offered of this prediction, each once: what a check model should hold against the image."""
    english = replace(
        question,
        locales=[locale for locale in question.locales if language(locale) == CAPTION_LANGUAGE],
        fields=[field for field in question.fields if field != "tags"],
    )
    annotations, _ = judge(replace(prediction, entailment=()), (), english)
    texts = [a.value for a in annotations if isinstance(a.value, str) and a.value and a.source == "model"]
    return tuple({fold(text): text for text in reversed(texts)}.values())


def unchecked(prediction: Prediction, texts: Sequence[str]) -> tuple[str, ...]:
    """Those texts that no check model has seen beside this image."""
    seen = {fold(answer.text) for answer in prediction.entailment}
    return tuple(text for text in texts if fold(text) not in seen)


def opinion(answer: EntailmentPrediction, profile: Profile) -> Verdict:
    """What the profile makes of one checked text."""
    return Verdict(action=profile.check[answer.answer], reasons=(f"check_{answer.answer}",))


def caption_score(caption: CaptionPrediction) -> float:
    """Mean probability of a token where the model has log-probabilities, else its own score; 0..1."""
    score = caption.score if caption.log_prob is None else math.exp(min(caption.log_prob, 0.0))
    return score if math.isfinite(score) else 0.0


def _text(
    field: TextField, locale: str, prediction: Prediction, vocabulary: Vocabulary, profile: Profile, context: Context
) -> Annotation:
    caption = prediction.caption
    hidden = prediction.content == "hidden"  # then a caption describes what transparency was laid on
    text = _written(caption, locale) if caption is not None and not hidden else None
    clean = functools.partial(rules.CLEANERS[field], context=context, rules=profile.text, facts=facts_of(prediction))
    cleaned = clean(text, locale=locale, names=vocabulary.names(locale))
    if caption is None or text is None or cleaned.value == "":
        missing = "hidden" if hidden else "no_caption" if caption is None else "no_text_in_locale"
        return _without_model(field, locale, cleaned, missing)
    english = clean(caption.text, locale=CAPTION_LANGUAGE, names=vocabulary.names(CAPTION_LANGUAGE)).value  # is what was checked
    doubts = _doubts(caption, english, prediction, profile)
    action: Action = max((cleaned.action, *(a for a, _ in doubts)), key=RANK.__getitem__)
    reasons = (*(cleaned.reasons if cleaned.action == action else ()), *(r for a, r in doubts if a == action and r))
    return Annotation(
        field=field,
        locale=locale,
        value=None if action == "suppress" else cleaned.value,
        score=caption_score(caption),
        model=caption.model,
        rules=cleaned.rules,
        verdict=Verdict(action=action, reasons=tuple(dict.fromkeys(reasons))),
    )


def _written(caption: CaptionPrediction, locale: str) -> str | None:
    """What the model wrote for a locale; Chinese is written in simplified characters only."""
    return caption.text_in(language(locale)) if chinese_script(locale) != "Hant" else None


def _without_model(field: TextField, locale: str, cleaned: Cleaned, missing: str) -> Annotation:
    """A value that a rule alone decided: decorative, or nothing to propose."""
    reasons = tuple(missing if r == "no_text" else r for r in cleaned.reasons)
    verdict = Verdict(action=cleaned.action, reasons=reasons)
    return Annotation(
        field=field,
        locale=locale,
        value=cleaned.value,
        score=None,
        model=None,
        rules=cleaned.rules,
        verdict=verdict,
        source="rule",
    )


def _doubts(
    caption: CaptionPrediction, english: str | None, prediction: Prediction, profile: Profile
) -> list[tuple[Action, str]]:
    doubts: list[tuple[Action, str]] = []
    if not caption.specific:
        doubts.append(("review", "not_specific" if caption.agreed else "not_agreed"))
    least = profile.least_score.for_model(caption.model)
    if least is not None and caption_score(caption) < least:
        doubts.append(("review", "low_score"))
    forms = {fold(caption.text), fold(english or "")}
    for answer in prediction.entailment:
        action = profile.check[answer.answer]
        if fold(answer.text) in forms and action != "publish":
            doubts.append((action, f"check_{answer.answer}"))
    return doubts


def _tags(prediction: Prediction, scores: Sequence[TermScore], question: Question, locale: str) -> Annotation:
    vocabulary, profile = question.vocabulary, question.profile
    hidden = prediction.content == "hidden"
    tags = vocabulary.select(
        () if hidden else scores,
        site_id=question.site_id,
        locale=locale,
        thresholds=profile.thresholds,
        limits=profile.limits,
        deny=profile.deny,
        max_tags=profile.max_tags,
    )
    models = tuple(dict.fromkeys(map(attrgetter("model"), scores)))
    if not tags:
        verdict = Verdict(action="suppress", reasons=("hidden" if hidden else "no_tags",))
        return Annotation(field="tags", locale=locale, value=None, score=None, model=None, rules=(), verdict=verdict)
    foreign = any(not vocabulary.has_label(tag.id, locale) for tag in tags)
    return Annotation(
        field="tags",
        locale=locale,
        value=tags,
        score=min(tag.score for tag in tags),  # the least certain of them
        model=models[0] if len(models) == 1 else "+".join(models),
        rules=(),
        verdict=Verdict(action="publish", reasons=("label_not_translated",) if foreign else ()),
    )


def delivery_fields(annotations: Sequence[Annotation]) -> Mapping[str, Any] | None:
    """What publishes, in the callback's shape `data.fields` without `if_current` (docs/api.md); None where nothing does."""
    fields: dict[str, Any] = {}
    tags: dict[str, dict[str, Any]] = {}
    several = len({a.locale for a in annotations if a.field == "tags"}) > 1
    for annotation in annotations:
        if annotation.verdict.action != "publish" or annotation.value is None:
            continue
        if isinstance(annotation.value, tuple):
            for tag in annotation.value:
                entry = tags.setdefault(tag.id, {"id": tag.id, "label": tag.label, "score": tag.score})
                if several:
                    entry.setdefault("labels", {})[annotation.locale] = tag.label
        else:
            fields.setdefault(annotation.field, {})[annotation.locale] = {
                "value": annotation.value,
                "source": annotation.source,
                "model": annotation.model,
                "score": annotation.score,
            }
    if tags:
        fields["tags"] = {"add": list(tags.values()), "remove": []}
    return fields or None
