"""`tagger evaluate`: measures quality on labelled images; writes figures, a reliability plot and a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tagger.catalog import vocabulary_file
from tagger.catalog.load import Catalog
from tagger.catalog.profile import Profile
from tagger.catalog.vocabulary import Vocabulary
from tagger.cli import console
from tagger.cli.evaluation_page import page
from tagger.cli.outputs import Force, Output, check_free
from tagger.cli.worker_rpc import ask
from tagger.errors import BadRequest, LabelsInvalid
from tagger.evaluation import calibration, ground_truth
from tagger.evaluation.calibration import Calibration
from tagger.evaluation.diagram import diagram
from tagger.evaluation.ground_truth import Labels
from tagger.evaluation.run import EvaluationRun, Figures, evaluation_run, figures, scores, split
from tagger.services.renditions import Renditions
from tagger.settings import Settings
from tagger.tables import named_files
from tagger.tables.text_encoding import decoded

FIRST_HALF = "first-half"
RESULTS, PAGE, PLOT = "results.json", "report.html", "reliability.svg"
LEAST_PRECISION, LEAST_RECALL, MOST_ERROR, LEAST_TOP1 = 0.85, 0.55, 0.10, 0.70

Measured = Mapping[str, Figures]  # set → figures


def evaluate(
    images: Annotated[Path, typer.Option(**console.PATH, help="Folder of the images.")],
    labels: Annotated[
        Path, typer.Option(**console.PATH, help="CSV file with the columns file and true_tags; caption is optional.")
    ],
    out: Annotated[Path, typer.Option(**console.PATH, help="Folder for results.json, report.html and reliability.svg.")],
    profile: Annotated[str, typer.Option(help="Kind of business: its vocabulary, thresholds and text rules.")] = "general",
    vocabulary: Annotated[str | None, typer.Option(help="Another vocabulary: a built-in name, or a file.")] = None,
    tags_from_labels: Annotated[
        bool, typer.Option("--tags-from-labels", help="Count only the terms that the labels use.")
    ] = False,
    tuned: Annotated[
        str | None,
        typer.Option(help=f"Images used for tuning: `{FIRST_HALF}` (by name), or a file with one name per line."),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Compare with: a second profile, a folder of other weights, or the results.json of an earlier run."),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="With GME: fit the probability of each term on these images (with --tuned: on those)."),
    ] = False,
    encoding: console.Encoding = None,
    force: Force = False,
    json: console.Json = False,
) -> None:
    """Measure the quality of tags and captions on labelled images.

    The report holds precision, recall, top-1, top-3 and calibration of the tags, the captions beside the reference captions, and
    every wrong tag.

    \b
    Examples:
      tagger evaluate --images photos --labels photos/labels.csv --out eval --tags-from-labels --tuned first-half
      tagger evaluate --images photos --labels photos/labels.csv --out eval --compare news
      tagger evaluate --images photos --labels photos/labels.csv --out after --compare before/results.json
      tagger evaluate --images photos --labels photos/labels.csv --out eval --tuned first-half --calibrate
    """
    files = {name: Output(place=out / name, over=force) for name in (RESULTS, PAGE, PLOT)}
    for file in files.values():
        check_free(file.place, force)
    labelled = _placed(images, ground_truth.load(labels, encoding))
    sets = split(labelled.files, _tuned(tuned, labelled, encoding))
    evaluator = _Evaluator(images, labelled, vocabulary, tags_from_labels)
    runs = [evaluator.run(profile, console.settings())]
    if compare is not None:
        runs.append(_second(compare, evaluator, profile))
    measured = [{name: figures(name, one, files, labelled) for name, files in sets.items()} for one in runs]
    _write(files, images, labelled, sets, runs, measured)
    if calibrate:
        fitted = _calibrate(runs[0], sets.get("tuned", labelled.files), labelled, console.settings().vectors / calibration.FILE)
        evaluator.warnings.append(
            f"{fitted.model} is now calibrated on {fitted.images} images; these figures are from before the calibration."
        )
    if json:
        console.print_json({"data": [_plain(one, m) for one, m in zip(runs, measured, strict=True)], "next_cursor": None})
        return
    for warning in evaluator.warnings:
        console.err.print(f"note: {warning}")
    for one, some in zip(runs, measured, strict=True):
        _say(one, some)
    console.out.print(f"\nReport  {files[PAGE].place.resolve()}")


class _Evaluator:
    """Asks the models about all images of one call, once per configuration."""

    def __init__(self, images: Path, labelled: Labels, vocabulary: str | None, only_labelled: bool) -> None:
        self._images = images.resolve()
        self._labelled = labelled
        self._vocabulary = vocabulary
        self._only_labelled = only_labelled
        self.warnings: list[str] = []

    def run(self, profile_name: str, settings: Settings, suffix: str = "") -> EvaluationRun:
        catalog = console.catalog()
        profile = catalog.require(profile_name)
        vocabulary = _vocabulary(catalog, profile, self._vocabulary)
        ids = [term.id for _, term in vocabulary]
        foreign = sorted(self._labelled.universe - set(ids))
        if foreign:
            self.warnings.append(f"`{vocabulary.name}` has no term {', '.join(foreign)}; these labels are not counted.")
        terms = [i for i in ids if i in self._labelled.universe] if self._only_labelled else ids
        if not terms:
            raise LabelsInvalid(
                f"No label is a term of `{vocabulary.name}`.",
                "Write the ids of its terms in `true_tags`, or choose another --vocabulary.",
            )
        question = {
            "vocabulary": vocabulary_file.dump(vocabulary),
            "profile": profile.name,
            "images": [str(self._images / file) for file in self._labelled.files],
        }
        with console.err.status(f"{profile.name}: describing {len(self._labelled.files)} images…"):
            answers = [{**a, "file": str(Path(a["file"]).relative_to(self._images))} for a in ask("images", question, settings)]
        return evaluation_run(profile.name + suffix, answers, vocabulary=vocabulary, profile=profile, terms=terms)

    def covers(self, earlier: EvaluationRun, source: str) -> None:
        """Errors: BadRequest if an earlier run has other images, because its figures would count them as failures."""
        unseen = [f for f in self._labelled.files if f not in earlier.answers and f not in earlier.failed]
        if unseen:
            raise BadRequest(f"{source} has no result for {unseen[0]}.", "Compare runs on the same labelled images.")


def _calibrate(run: EvaluationRun, files: Sequence[str], labelled: Labels, file: Path) -> Calibration:
    """Fits and writes the calibration. Errors: BadRequest if GME did not score the terms."""
    model = next((m for m in run.models if m.startswith("gme-tags@")), None)
    if model is None:
        raise BadRequest(
            "--calibrate works only with the tags of GME.",
            "Set `embed` to gme; `tagger models list` shows whether its weights are here.",
        )
    raw, truth = scores(run, files, labelled)
    fitted = Calibration.fitted(model, raw, truth, run.terms, Calibration.read(file))
    fitted.write(file)
    return fitted


def _vocabulary(catalog: Catalog, profile: Profile, wanted: str | None) -> Vocabulary:
    if wanted is None or wanted in catalog.vocabularies:
        return catalog.vocabulary(profile, wanted)
    return vocabulary_file.load(Path(wanted))


def _second(compare: str, evaluator: _Evaluator, profile: str) -> EvaluationRun:
    """The other side of a comparison, on the same images."""
    path = Path(compare)
    if any(candidate.name == compare for candidate in console.catalog().profiles):
        return evaluator.run(compare, console.settings())
    if path.is_file():
        try:
            body = json.loads(path.read_text("utf-8"))
            earlier = EvaluationRun.from_dict(body["trials"][0])
        except (ValueError, KeyError, TypeError) as err:
            raise BadRequest(f"{compare} is not a result of `tagger evaluate`.", f"Name the {RESULTS} of a run.") from err
        evaluator.covers(earlier, compare)
        return EvaluationRun.from_dict({**asdict(earlier), "name": f"{earlier.name} (earlier)"})
    if path.is_dir():
        return evaluator.run(profile, console.settings(model_dir=path.resolve()), f" (weights in {path.name})")
    return evaluator.run(compare, console.settings())


def _tuned(wanted: str | None, labelled: Labels, encoding: str | None = None) -> Sequence[str] | None:
    if wanted is None:
        return None
    if wanted == FIRST_HALF:
        return labelled.files[: len(labelled.files) // 2]
    try:
        names = decoded(Path(wanted).read_bytes(), wanted, BadRequest, encoding).splitlines()
    except OSError as err:
        raise BadRequest(f"{wanted} cannot be read: {err.strerror}.", f"Name a file, or write `{FIRST_HALF}`.") from err
    files = {named_files.same(file): file for file in labelled.files}
    listed = [files.get(named_files.same(name.strip()), name.strip()) for name in names if name.strip()]
    unknown = [name for name in listed if name not in labelled.tags]
    if unknown:
        raise BadRequest(f"{wanted} names `{unknown[0]}`, which has no labels.", "Write the names as in the file of labels.")
    return listed


def _placed(images: Path, labelled: Labels) -> Labels:
    """The labels under the names of the files. Errors: LabelsInvalid if an image is missing."""
    names = named_files.relative(images, labelled.files)
    missing = [file for file in labelled.files if file not in names]
    if missing:
        raise LabelsInvalid(
            f"{len(missing)} of {len(labelled.files)} labelled images are not in {images}, for example `{missing[0]}`.",
            "Name the right folder with --images, or delete those lines.",
        )
    return labelled.renamed(names)


def _write(
    out: Mapping[str, Output],
    images: Path,
    labelled: Labels,
    sets: Mapping[str, Sequence[str]],
    runs: Sequence[EvaluationRun],
    measured: Sequence[Measured],
) -> None:
    out[RESULTS].place.parent.mkdir(parents=True, exist_ok=True)
    curves = [
        (f"{one.name}, {name}", f.tags.calibration) for one, some in zip(runs, measured, strict=True) for name, f in some.items()
    ]
    plot = diagram(curves)
    body = {
        "sets": sets,
        "trials": [one.to_dict() for one in runs],
        "figures": [{name: asdict(f) for name, f in m.items()} for m in measured],
    }
    out[RESULTS].write((json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode())
    out[PLOT].write(plot.encode())
    with Renditions(console.settings()) as renditions:
        out[PAGE].write(page(images, labelled, sets, runs, measured, plot, renditions).encode())


def _plain(one: EvaluationRun, some: Measured) -> dict[str, Any]:
    return {
        "name": one.name,
        "models": list(one.models),
        "failed": dict(one.failed),
        "sets": {name: {**f.summary(), "terms": _terms(f)} for name, f in some.items()},
    }


def _terms(f: Figures) -> list[dict[str, Any]]:
    return [
        {"term": t.term, "precision": t.counts.precision, "recall": t.counts.recall, **asdict(t.counts)} for t in f.tags.terms
    ]


def _say(one: EvaluationRun, some: Measured) -> None:
    console.out.print(f"\n{one.name}  {' '.join(one.models)}")
    for file, why in one.failed.items():
        console.err.print(f"failed: {file}: {why}")
    for name, f in some.items():
        c, t = f.tags.overall, f.tags
        console.out.print(
            f"  {name} ({t.images} images, {len(one.terms)} terms): {c.right} right of {c.offered} offered, {c.true} true"
        )
        for label, value, bar, high in (
            ("precision", c.precision, LEAST_PRECISION, True),
            ("recall", c.recall, LEAST_RECALL, True),
            ("top-1", t.top1, LEAST_TOP1, True),
            ("top-3", t.top3, None, True),
            ("calibration error, every pair", t.calibration.error, MOST_ERROR, False),
            ("calibration error, offered tags", t.calibration_offered.error, MOST_ERROR, False),
            ("CIDEr-D of captions", f.cider, None, True),
            ("words of the references covered", f.covered, None, True),
        ):
            judged = _bar(value, bar, high) if name != "tuned" else ""  # images used for tuning prove nothing
            console.out.print(f"    {label:32} {_number(value)}{judged}")
        clean = "ok" if f.broken_alt_texts == 0 else "NOT MET"
        console.out.print(f"    alt texts that break a text rule {f.broken_alt_texts} of {f.alt_texts} published  (0: {clean})")
        console.out.print(f"    alt texts with a word of the labels {f.backed_alt_texts} of {f.alt_texts} published")
        for kind, k in f.kinds.items():
            console.out.print(f"    {kind:32} precision {_number(k.precision)}, recall {_number(k.recall)}, {k.offered} offered")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _bar(value: float | None, bar: float | None, high: bool) -> str:
    if value is None or bar is None:
        return ""
    met = value >= bar if high else value <= bar
    return f"  ({'≥' if high else '≤'} {bar:.2f}: {'ok' if met else 'NOT MET'})"
