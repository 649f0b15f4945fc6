"""Compare tagger's OFA with the golden files that ModelScope's own OFA made (bench/ofa_reference.py), case by case.

Token for token wherever two of the reference's scores differ by more than 1e-4; how many were closer is counted.
"""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from support.ofa_cases import SETS, Case
from workers.models.ofa.caption import make_caption
from workers.models.ofa.config import (
    CAPTION_TASK,
    ENTAILMENT_TASK,
    ModelConfig,
    TaskConfig,
    parse_model_config,
    parse_task_config,
)
from workers.models.ofa.entail import make_entailment
from workers.models.ofa.load import check_weights
from workers.models.ofa.synthetic import ANSWERS, checkpoint, random_picture
from workers.models.ofa.tokenizer import OfaTokenizer, parse_merges

TESTS = Path(__file__).parent.parent
GOLDEN = TESTS / "golden" / "ofa"
BPE = TESTS / "data" / "ofa"
CPU = torch.device("cpu")
CLOSE = 1e-4  # scores nearer than this may come in either order


@dataclass
class Tally:
    """What was compared. `wrong` must stay empty in float32."""

    images: int = 0
    beams: int = 0
    same: int = 0
    best: int = 0  # images whose best sentence, or whose answer, is the reference's
    close: int = 0  # beams whose tokens differ where the reference itself was within CLOSE
    lengths: int = 0  # images whose beams ended at different lengths
    texts: int = 0
    largest: float = 0.0  # difference of scores at the same rank, or of probabilities
    largest_same: float = 0.0  # difference of the scores of one sentence, whatever its rank
    wrong: list[str] = field(default_factory=list)


def build(case: Case, task: str) -> tuple[dict[str, torch.Tensor], ModelConfig, TaskConfig]:
    """A case's network, as load.py would have read it from a directory."""
    config = parse_model_config(case.model)
    found = {key: torch.from_numpy(value) for key, value in checkpoint(config, case.seed).items()}
    return check_weights(found, config, "checkpoint"), config, parse_task_config(case.task, task)


@functools.cache
def tokenizer(vocab_size: int) -> OfaTokenizer:
    vocabulary, merges = (gzip.decompress((BPE / f"{name}.gz").read_bytes()) for name in ("vocab.json", "merges.txt"))
    return OfaTokenizer(json.loads(vocabulary), parse_merges(merges.decode()), vocab_size=vocab_size)


def compare_captions(case: Case, golden: dict[str, Any], tally: Tally, dtype: torch.dtype) -> None:
    weights, config, task = build(case, CAPTION_TASK)
    model = make_caption(weights, config, task, tokenizer(config.vocab_size), "00000000").to(CPU, dtype)
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
    tally.best += ours[0][0] == beams[0]["tokens"]
    for tokens, score in ours:
        same = [abs(score - beam["score"]) for beam in beams if beam["tokens"] == tokens]
        tally.largest_same = max(tally.largest_same, *same, 0.0)
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
    weights, config, task = build(case, ENTAILMENT_TASK)
    model = make_entailment(weights, config, task, tokenizer(config.vocab_size), ANSWERS, "00000000").to(CPU, dtype)
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
            tally.best += answer.answer == row["label"]


def check(name: str, dtype: torch.dtype = torch.float32, cases: int | None = None) -> Tally:
    """The cases of a set, or the first few. Real sizes take minutes."""
    tally = Tally()
    golden = json.loads((GOLDEN / f"{name}.json").read_text())["cases"]
    for case, row in list(zip(SETS[name](), golden, strict=True))[:cases]:
        assert case.seed == row["seed"]
        (compare_captions if "beams" in row else compare_answers)(case, row, tally, dtype)
    return tally
