"""Fits the calibration of the lite models' tags and writes workers/models/lite/data/calibration.json. Deterministic.

    python bench/fit_lite.py PHOTOS      PHOTOS: a folder with labels.csv; only its first half, by file name, is used

Two maps, logit(p) = slope · logit(raw) + shift: `ruled` for terms that a rule names, `near` for those reached by near-synonyms.
Both have normal priors (slope 1 ± 0.15, shift ± 0.3), so fourteen photographs cannot move them far. The prior shift is 0 for
`near`, and -0.4 for `ruled`: rules were written beside such photographs, and an earlier version lost eight points of precision
on harder ones. A term that nobody ever labelled gets the map of its kind: that is the stated prior for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from bench.quality import common, labels, predict, vocabulary
from tagger.evaluation.calibration import Platt, fit
from workers.models.lite import TermScorer, TextEncoder, load
from workers.models.lite.files import DATA

PRIOR = {"ruled": -0.4, "near": 0.0}


def main() -> None:
    folder = Path(sys.argv[1])
    truth = labels(folder)
    files = sorted(truth)[: len(truth) // 2]
    written = json.loads((Path(__file__).parent / "lite_vocabularies.json").read_text("utf-8"))["dev"]
    sets = [(common(truth), truth), (tuple(written["terms"]), {f: frozenset(t) for f, t in written["truth"].items()})]
    scorer, measured = TermScorer(TextEncoder()), predict(folder, files, load())
    raw: dict[bool, list[float]] = {True: [], False: []}
    right: dict[bool, list[bool]] = {True: [], False: []}
    for terms, of in sets:
        table = scorer.table(vocabulary(terms))
        for file in files:
            row = scorer.raw(measured.predictions[file], table)
            for i, term in enumerate(terms):
                if not table.mute[i]:
                    raw[bool(table.known[i])].append(float(row[i]))
                    right[bool(table.known[i])].append(term in of.get(file, frozenset()))
    maps = {
        name: fit(np.array(raw[key]), np.array(right[key]), prior=Platt(shift=PRIOR[name]))
        for name, key in (("ruled", True), ("near", False))
    }
    about = f"{Path(__file__).name}, {len(files)} photographs, {len(raw[True])} + {len(raw[False])} pairs, prior shifts {PRIOR}"
    body = {"fitted": about, **{name: _plain(m) for name, m in maps.items()}}
    (DATA / "calibration.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
    print(json.dumps(body, indent=1))


def _plain(m: Platt) -> dict[str, float]:
    return {"slope": round(m.slope, 3), "shift": round(m.shift, 3)}


if __name__ == "__main__":
    main()
