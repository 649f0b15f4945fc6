"""A trial: what a configuration said of labelled images, and how good that was. Pure; `tagger evaluate` runs and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tagger import alttext
from tagger.asset import Context
from tagger.catalog.profile import Profile
from tagger.catalog.vocabulary import Vocabulary
from tagger.evaluation import metrics
from tagger.evaluation.calibration import Floats, Truth
from tagger.evaluation.cider import cider_d
from tagger.evaluation.ground_truth import Labels
from tagger.evaluation.metrics import Report

Answer = Mapping[str, Any]  # of `python -m workers.ask images`


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration over all images."""

    name: str  # the profile, and what else makes it differ
    models: tuple[str, ...]  # name@revision
    terms: tuple[str, ...]  # that were judged
    answers: Mapping[str, Answer]  # file → what was said
    failed: Mapping[str, str]  # file → why it could not be described
    broken_alt_texts: Mapping[str, str]  # file → the published alt text that its own rules would change or hold back

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Trial:
        return cls(**{**body, "models": tuple(body["models"]), "terms": tuple(body["terms"])})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How good a trial was on one set of images."""

    set: str  # "tuned", "untuned", or "all images"
    tags: Report
    cider: float | None  # mean CIDEr-D of the model's captions; None without references
    alt_texts: int  # published
    broken_alt_texts: int


def trial(name: str, answers: Sequence[Answer], *, vocabulary: Vocabulary, profile: Profile, terms: Sequence[str]) -> Trial:
    """From the answers, by file name, in the order asked."""
    good = {str(a["file"]): a for a in answers if "error" not in a}
    models = tuple(dict.fromkeys(model for a in good.values() for model in a["models"]))
    return Trial(
        name=name,
        models=models,
        terms=tuple(terms),
        answers=good,
        failed={str(a["file"]): str(a["error"]["detail"]) for a in answers if "error" in a},
        broken_alt_texts={file: text for file, a in good.items() if (text := _broken(a, vocabulary, profile)) is not None},
    )


def figures(name: str, made: Trial, files: Sequence[str], labels: Labels) -> Figures:
    """On `files`. An image that could not be described counts as one without any tag."""
    probabilities, truth = scores(made, files, labels)
    chosen = np.array([[f in made.answers and t in made.answers[f]["tags"] for t in made.terms] for f in files])
    shape = (len(files), len(made.terms))
    told = {f: labels.captions[f] for f in files if f in labels.captions}
    said = {f: a["caption"]["text"] for f in told if (a := made.answers.get(f)) and a["caption"]}
    each = cider_d(said, told)
    return Figures(
        set=name,
        tags=metrics.report(probabilities, truth, made.terms, chosen=chosen.reshape(shape)),
        cider=sum(each.values()) / len(told) if told else None,  # an image without a caption counts 0
        alt_texts=sum(1 for f in files if f in made.answers and published_alt(made.answers[f]) is not None),
        broken_alt_texts=sum(1 for f in files if f in made.broken_alt_texts),
    )


def scores(made: Trial, files: Sequence[str], labels: Labels) -> tuple[Floats, Truth]:
    """[files, terms] what was said, 0 of an image that could not be described, and what is true."""
    said = [[made.answers[f]["scores"].get(t, 0.0) if f in made.answers else 0.0 for t in made.terms] for f in files]
    true = [[t in labels.tags[f] for t in made.terms] for f in files]
    shape = (len(files), len(made.terms))
    return np.array(said, np.float64).reshape(shape), np.array(true, np.bool_).reshape(shape)


def split(files: Sequence[str], tuned: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """The sets that are reported apart: what the models were tuned on, and the rest, which alone says how good they are."""
    if tuned is None:
        return {"all images": tuple(files)}
    known = frozenset(tuned)
    sets = {"tuned": tuple(f for f in files if f in known), "untuned": tuple(f for f in files if f not in known)}
    return {name: some for name, some in sets.items() if some}


def published_alt(answer: Answer) -> str | None:
    return next(
        (
            str(a["value"])
            for a in answer["annotations"]
            if a["field"] == "alt_text" and a["verdict"]["action"] == "publish" and a["value"]
        ),
        None,
    )


def _broken(answer: Answer, vocabulary: Vocabulary, profile: Profile) -> str | None:
    """A published alt text that the rules, asked once more, would change or not publish."""
    text = published_alt(answer)
    if text is None:
        return None
    context = Context(role="informative")
    again = alttext.alt_text(text, locale="en", context=context, rules=profile.text, names=vocabulary.names("en"))
    return None if again.value == text and again.action == "publish" else text
