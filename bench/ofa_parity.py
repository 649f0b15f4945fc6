"""tagger's OFA against the golden files that ModelScope's own OFA made (bench/ofa_reference.py), case by case.

    python bench/ofa_parity.py [caption_tiny caption_real entail_tiny entail_real] [--bf16]

Token for token wherever two of the reference's scores differ by more than 1e-4; how many were closer is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.ofa_cases import SETS, Case
from workers.models.ofa.load import load_caption, load_entailment
from workers.models.ofa.synthetic import random_picture, write_directory

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "ofa"
BPE = ROOT / "tests" / "data" / "ofa"
CLOSE = 1e-4  # scores nearer than this may come in either order


@dataclass
class Tally:
    """What was compared. `wrong` must stay empty in float32."""

    images: int = 0
    beams: int = 0
    same: int = 0
    close: int = 0  # beams whose tokens differ where the reference itself was within CLOSE
    lengths: int = 0  # images whose beams ended at different lengths
    texts: int = 0
    largest: float = 0.0  # difference of scores, or of probabilities
    wrong: list[str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.wrong = []


def compare_captions(case: Case, golden: dict[str, Any], tally: Tally, dtype: torch.dtype) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_directory(Path(folder), BPE, model=case.model, task=case.task, seed=case.seed)
        model = load_caption(Path(folder), dtype=dtype)
    batch = [model.prepare(random_picture(*p), "") for p in case.pictures]
    found, _ = model._network(torch.stack([torch.from_numpy(b.copy()) for b in batch]))
    raws = model.run(batch)
    for i, beams in enumerate(golden["beams"]):
        tally.images += 1
        tally.lengths += len({len(b["tokens"]) for b in beams}) > 1
        ours = [(found.sentence(i, rank, 2), float(found.scores[i, rank])) for rank in range(len(beams))]
        compare_beams(f"seed {case.seed} image {i}", beams, ours, tally)
        text = model.finish(raws[i], batch[i]).caption
        assert text is not None
        if text.text == golden["texts"][i]:
            tally.texts += 1
        elif ours[0][0] == beams[0]["tokens"]:
            tally.wrong.append(f"seed {case.seed} image {i}: text {text.text!r}, reference {golden['texts'][i]!r}")


def compare_beams(where: str, beams: list[dict[str, Any]], ours: list[tuple[list[int], float]], tally: Tally) -> None:
    for rank, (beam, (tokens, score)) in enumerate(zip(beams, ours, strict=True)):
        tally.beams += 1
        tally.largest = max(tally.largest, abs(score - beam["score"]))
        if tokens == beam["tokens"]:
            tally.same += 1
        elif any(abs(other["score"] - beam["score"]) <= CLOSE for other in beams if other is not beam):
            tally.close += 1
        else:
            tally.wrong.append(f"{where} beam {rank}: {tokens} {score}, reference {beam}")


def compare_answers(case: Case, golden: dict[str, Any], tally: Tally, dtype: torch.dtype) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_directory(Path(folder), BPE, model=case.model, task=case.task, seed=case.seed)
        model = load_entailment(Path(folder), dtype=dtype)
    batch = [model.prepare(random_picture(*p), s) for p, s in zip(case.pictures, case.statements, strict=True)]
    for items in (batch, *([item] for item in batch)):  # all at once, of different lengths; and one by one
        raws = model.run(items)
        for item, raw in zip(items, raws, strict=True):
            row = golden["answers"][batch.index(item)]
            (answer,) = model.finish(raw, item.pixels).entailment
            tally.images += 1
            tally.texts += list(item.source) == row["source"]
            if list(item.source) != row["source"]:
                tally.wrong.append(f"seed {case.seed}: source {item.source}, reference {row['source']}")
            off = max(abs(getattr(answer, name) - value) for name, value in row["scores"].items())
            tally.largest = max(tally.largest, off)
            tally.same += answer.answer == row["label"]


def check(name: str, dtype: torch.dtype) -> Tally:
    tally = Tally()
    golden = json.loads((GOLDEN / f"{name}.json").read_text())["cases"]
    for case, row in zip(SETS[name](), golden, strict=True):
        assert case.seed == row["seed"]
        (compare_captions if "beams" in row else compare_answers)(case, row, tally, dtype)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--bf16", action="store_true", help="bfloat16, for the tolerances; never fails")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in options.sets:
        tally = check(name, torch.bfloat16 if options.bf16 else torch.float32)
        print(f"{name}: {tally}")
        failed |= bool(tally.wrong) or tally.largest > (1e-4 if name.startswith("caption") else 1e-5)
    return int(failed and not options.bf16)


if __name__ == "__main__":
    sys.exit(main())
