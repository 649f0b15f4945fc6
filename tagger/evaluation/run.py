"""An evaluation run: what one configuration said about labelled images, and how good it was. Pure; `tagger evaluate` runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tagger.alttext import rules
from tagger.alttext.types import Facts
from tagger.asset import Context
from tagger.catalog.profile import Profile
from tagger.catalog.vocabulary import Vocabulary
from tagger.evaluation import metrics
from tagger.evaluation.backed import coverage, is_backed
from tagger.evaluation.calibration import Floats, Truth
from tagger.evaluation.cider import cider_d
from tagger.evaluation.ground_truth import Labels
from tagger.evaluation.metrics import Counts, Report

Answer = Mapping[str, Any]  # of `python -m workers.ask images`


@dataclass(frozen=True, kw_only=True)
class EvaluationRun:
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
    def from_dict(cls, body: Mapping[str, Any]) -> EvaluationRun:
        return cls(**{**body, "models": tuple(body["models"]), "terms": tuple(body["terms"])})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How good a run was on one set of images."""

    set: str  # "tuned", "untuned", or "all images"
    tags: Report
    cider: float | None  # mean CIDEr-D of the model's captions; None without references
    alt_texts: int  # published
    broken_alt_texts: int
    covered: float | None = None  # share of the references' content words that the captions have; None without references
    backed_alt_texts: int = 0  # published ones that name something that people wrote of the image or tagged
    kinds: Mapping[str, Counts] = field(default_factory=dict)  # by the kind of picture that the models saw

    def summary(self) -> dict[str, Any]:
        counts = self.tags.overall
        return {
            "images": self.tags.images,
            "precision": counts.precision,
            "recall": counts.recall,
            "offered": counts.offered,
            "true": counts.true,
            "right": counts.right,
            "top1": self.tags.top1,
            "top3": self.tags.top3,
            "calibration_error": self.tags.calibration.error,
            "calibration_error_offered": self.tags.calibration_offered.error,
            "cider": self.cider,
            "covered": self.covered,
            "alt_texts": self.alt_texts,
            "backed_alt_texts": self.backed_alt_texts,
            "broken_alt_texts": self.broken_alt_texts,
            "kinds": {
                kind: {"precision": c.precision, "recall": c.recall, "offered": c.offered, "true": c.true, "right": c.right}
                for kind, c in self.kinds.items()
            },
        }


def evaluation_run(
    name: str, answers: Sequence[Answer], *, vocabulary: Vocabulary, profile: Profile, terms: Sequence[str]
) -> EvaluationRun:
    """Build the run from the answers, in the order in which they were asked."""
    good = {str(a["file"]): a for a in answers if "error" not in a}
    models = tuple(dict.fromkeys(model for a in good.values() for model in a["models"]))
    return EvaluationRun(
        name=name,
        models=models,
        terms=tuple(terms),
        answers=good,
        failed={str(a["file"]): str(a["error"]["detail"]) for a in answers if "error" in a},
        broken_alt_texts={file: text for file, a in good.items() if (text := _broken(a, vocabulary, profile)) is not None},
    )


def figures(name: str, run: EvaluationRun, files: Sequence[str], labels: Labels) -> Figures:
    """On `files`. An image that could not be described counts as one without tags."""
    probabilities, truth = scores(run, files, labels)
    chosen = np.array([[f in run.answers and t in run.answers[f]["tags"] for t in run.terms] for f in files])
    shape = (len(files), len(run.terms))
    references = {f: labels.captions[f] for f in files if f in labels.captions}
    captions = {f: a["caption"]["text"] for f in references if (a := run.answers.get(f)) and a["caption"]}
    each = cider_d(captions, references)
    return Figures(
        set=name,
        tags=metrics.report(probabilities, truth, run.terms, chosen=chosen.reshape(shape)),
        cider=sum(each.values()) / len(references) if references else None,  # an image without a caption counts 0
        alt_texts=sum(1 for f in files if f in run.answers and published_alt(run.answers[f]) is not None),
        broken_alt_texts=sum(1 for f in files if f in run.broken_alt_texts),
        covered=coverage(captions, references),
        backed_alt_texts=sum(_backed(f, run.answers[f], labels) for f in files if f in run.answers),
        kinds=_by_kind(run, files, labels),
    )


def _by_kind(run: EvaluationRun, files: Sequence[str], labels: Labels) -> dict[str, Counts]:
    """How good the tags are on each kind of picture; an image whose kind is not known counts in none."""
    kinds = {str(a["kind"]) for f in files if (a := run.answers.get(f)) and a.get("kind")}
    found = {}
    for kind in sorted(kinds):
        some = [f for f in files if f in run.answers and run.answers[f].get("kind") == kind]
        probabilities, truth = scores(run, some, labels)
        chosen = np.array([[t in run.answers[f]["tags"] for t in run.terms] for f in some]).reshape(truth.shape)
        found[kind] = metrics.report(probabilities, truth, run.terms, chosen=chosen).overall
    return found


def _backed(file: str, answer: Answer, labels: Labels) -> bool:
    text = published_alt(answer)
    return text is not None and is_backed(text, labels.captions.get(file, ()), labels.tags[file])


def scores(run: EvaluationRun, files: Sequence[str], labels: Labels) -> tuple[Floats, Truth]:
    """Both are [files, terms]. The models' scores (0 for an image that could not be described), and what is true."""
    scored = [[run.answers[f]["scores"].get(t, 0.0) if f in run.answers else 0.0 for t in run.terms] for f in files]
    true = [[t in labels.tags[f] for t in run.terms] for f in files]
    shape = (len(files), len(run.terms))
    return np.array(scored, np.float64).reshape(shape), np.array(true, np.bool_).reshape(shape)


def split(files: Sequence[str], tuned: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """The images that the models were tuned on, and the rest, apart: only the rest says how good the models are."""
    if tuned is None:
        return {"all images": tuple(files)}
    tuned_files = frozenset(tuned)
    sets = {"tuned": tuple(f for f in files if f in tuned_files), "untuned": tuple(f for f in files if f not in tuned_files)}
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
    again = rules.alt_text(
        text, locale="en", context=context, facts=_facts(answer), rules=profile.text, names=vocabulary.names("en")
    )
    return None if again.value == text and again.action == "publish" else text


def _facts(answer: Answer) -> Facts:
    """What the models saw in the picture. A quotation of a sign is judged by the lines that were read."""
    stored = answer.get("facts", {})
    return Facts(**{**stored, "lines": tuple(stored.get("lines", ()))})
