"""How good the lite models' words are: on labelled photographs and on drawings, each half tuned on and half kept aside.

python -m bench.quality PHOTOS            PHOTOS: a folder with labels.csv (file, true_tags) and its images
python -m bench.quality PHOTOS --each     also what was said of each picture of the tuned halves
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bench.drawings import drawings
from bench.published import Picture, published, table
from tagger.catalog.vocabulary import Category, Term, Vocabulary
from tagger.evaluation import metrics
from tagger.prediction import Prediction
from workers.models.base import merge
from workers.models.lite import LiteModel, TermScorer, TextEncoder, load

Truth = Mapping[str, frozenset[str]]
FORMATS = ("JPEG", "PNG", "WEBP")
COMMON = (  # the common tags that are true of no photograph in the set
    "airplane beach bridge bus church computer dog electronics football furniture horse motorcycle sea sport"
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    files: tuple[str, ...]
    predictions: Mapping[str, Prediction]
    cpu_ms: float  # of one image, decoding left out


def labels(folder: Path) -> Truth:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: frozenset(row["true_tags"].split()) for row in csv.DictReader(file)}


def common(truth: Truth) -> tuple[str, ...]:
    return tuple(sorted(frozenset(COMMON.split()).union(*truth.values())))


def vocabulary(terms: Sequence[str]) -> Vocabulary:
    made = tuple(Term(id=t, labels={"en": t.replace("_", " ")}) for t in terms)
    return Vocabulary(name="bench", version=1, categories=(Category(id="all", terms=made),))


def predict(folder: Path, files: Sequence[str], model: LiteModel) -> Measured:
    made, spent = {}, 0.0
    for name in files:
        pixels = np.asarray(Image.open(folder / name, formats=FORMATS).convert("RGB"))
        start = time.process_time()
        part = model.finish(model.run([model.prepare(pixels, "")])[0], pixels)
        spent += time.process_time() - start
        made[name] = merge([part], width=pixels.shape[1], height=pixels.shape[0])
    return Measured(files=tuple(files), predictions=made, cpu_ms=1000 * spent / max(1, len(files)))


def arrays(scorer: TermScorer, measured: Measured, terms: Sequence[str], truth: Truth) -> tuple[metrics.Floats, metrics.Bools]:
    known = vocabulary(terms)
    scores = np.array([[s.score for s in scorer.score(measured.predictions[f], known)] for f in measured.files])
    return scores, np.array([[t in truth.get(f, ()) for t in terms] for f in measured.files])


def show(name: str, terms: Sequence[str], scores: metrics.Floats, truth: metrics.Bools) -> None:
    for most in (5, None):
        made = metrics.report(scores, truth, tuple(terms), most=most)
        o, all_pairs, offered = made.overall, made.calibration.error or 0, made.calibration_offered.error or 0
        print(
            f"{name:34} most {most or 'all':>3}: precision {o.precision or 0:.3f} recall {o.recall or 0:.3f} "
            f"({o.right} right of {o.offered} offered, {o.true} true) top-1 {made.top1 or 0:.2f} top-3 {made.top3 or 0:.2f} "
            f"ECE all pairs {all_pairs:.3f} offered {offered:.3f}"
        )
    plausible = scores >= 0.1
    print(f"{'':34} ECE of pairs over 0.1: {metrics.calibration(scores[plausible], truth[plausible]).error or 0:.3f}")


def photographs(folder: Path, files: Sequence[str], truth: Truth) -> list[Picture]:
    return [
        Picture(
            name=name,
            group="photograph",
            pixels=np.asarray(Image.open(folder / name, formats=FORMATS).convert("RGB")),
            tags=truth[name],
        )
        for name in files
    ]


def drawn(tuned: bool) -> list[Picture]:
    return [Picture(name=d.name, group=d.kind, pixels=np.asarray(d.image), tags=d.tags) for d in drawings() if d.tuned == tuned]


def show_published(folder: Path, truth: Truth, model: LiteModel, scorer: TermScorer, each: bool) -> None:
    files, half = sorted(truth), len(truth) // 2
    looked_for = frozenset(common(truth))
    for title, some, tuned in (("tuned half", files[:half], True), ("kept aside", files[half:], False)):
        shown = each and tuned
        table(f"photographs, {title}", published(photographs(folder, some, truth), model, scorer, looked_for), shown)
        table(f"drawings, {title}", published(drawn(tuned), model, scorer, None), shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--each", action="store_true")
    args = parser.parse_args()
    truth = labels(args.photos)
    files = sorted(truth)
    half = len(files) // 2
    written = json.loads((Path(__file__).parent / "lite_vocabularies.json").read_text("utf-8"))
    scorer, model = TermScorer(TextEncoder()), load()
    for name, some in (("tuned half", files[:half]), ("untuned half", files[half:])):
        measured = predict(args.photos, some, model)
        print(f"{name}: {len(some)} images, {measured.cpu_ms:.0f} ms of CPU an image")
        sets = {f"{len(common(truth))} tags": (common(truth), truth)}
        for key in ("dev", "unseen") if name == "tuned half" else ("unseen",):
            told = {f: frozenset(tags) for f, tags in written[key]["truth"].items()}
            sets[f"40 terms, {key}"] = (tuple(written[key]["terms"]), told)
        for title, (terms, of) in sets.items():
            scores, right = arrays(scorer, measured, terms, of)
            show(f"{name}, {title}", terms, scores, right)
            if args.each and name == "tuned half":
                for file, row, is_true in zip(measured.files, scores, right, strict=True):
                    best = [i for i in np.argsort(-row)[:10] if row[i] >= 0.1]
                    print("   ", file, " ".join(f"{'+' if is_true[i] else '-'}{terms[i]} {row[i]:.2f}" for i in best))
    show_published(args.photos, truth, model, scorer, args.each)


if __name__ == "__main__":
    main()
