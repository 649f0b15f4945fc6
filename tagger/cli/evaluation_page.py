"""The page of `tagger evaluate`: figures, plot, every term, and a contact sheet with the most errors first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape

from tagger.demo.sheet import thumbnail
from tagger.evaluation.ground_truth import Labels
from tagger.evaluation.run import EvaluationRun, Figures
from tagger.services.renditions import Renditions


def page(
    images: Path,
    labelled: Labels,
    sets: Mapping[str, Sequence[str]],
    runs: Sequence[EvaluationRun],
    measured: Sequence[Mapping[str, Figures]],
    plot: str,
    renditions: Renditions,
) -> str:
    """One HTML file that contains the images. `plot`: SVG made by tagger."""
    template = resources.files("tagger.cli").joinpath("templates/evaluation.html").read_text("utf-8")
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    cards = [_card(file, name, images, labelled, runs, renditions) for name, files in sets.items() for file in files]
    cards.sort(key=lambda card: -card["wrong"])
    summaries = [(one, f) for one, some in zip(runs, measured, strict=True) for f in some.values()]
    terms = sorted(
        {(t.term, one.name, f.set, t.counts) for one, f in summaries for t in f.tags.terms if t.counts.offered or t.counts.true},
        key=lambda row: row[:3],
    )
    text: str = environment.from_string(template).render(summaries=summaries, terms=terms, cards=cards, plot=plot)
    return text


def _card(
    file: str, of: str, images: Path, labelled: Labels, runs: Sequence[EvaluationRun], renditions: Renditions
) -> dict[str, Any]:
    cells = [_said(file, labelled, one) for one in runs]
    return {
        "file": file,
        "set": of,
        "image": thumbnail(images / file, renditions),
        "references": labelled.captions.get(file, ()),
        "said": cells,
        "wrong": len(cells[0]["surplus"]) + len(cells[0]["missing"]),
    }


def _said(file: str, labelled: Labels, one: EvaluationRun) -> dict[str, Any]:
    answer = one.answers.get(file)
    judged = set(one.terms)
    true = labelled.tags[file] & judged
    if answer is None:
        failed = one.failed.get(file, "not asked")
        return {
            "name": one.name,
            "failed": failed,
            "right": [],
            "surplus": [],
            "missing": [(t, 0.0) for t in sorted(true)],
            "texts": [],
        }
    offered = [t for t in answer["tags"] if t in judged]
    texts = [
        (a["field"].replace("_", " "), a["value"] or "–", a["verdict"]["action"], ", ".join(a["verdict"]["reasons"]))
        for a in answer["annotations"]
    ]
    if answer["caption"]:
        texts.insert(0, ("model", answer["caption"]["text"], f"{answer['caption']['score']:.2f}", answer["caption"]["model"]))
    return {
        "name": one.name,
        "failed": None,
        "right": [(t, answer["scores"][t]) for t in offered if t in true],
        "surplus": [(t, answer["scores"][t]) for t in offered if t not in true],
        "missing": [(t, answer["scores"].get(t, 0.0)) for t in sorted(true - set(offered))],
        "texts": texts,
    }
