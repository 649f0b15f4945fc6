"""Captions per second of tagger's OFA and of ModelScope's own pipeline: one process, one thread, the same weights and pictures.

Runs in the reference environment (see bench/ofa_reference.py), which can run both:

    PYTHONPATH=.:tests REF/bin/python bench/ofa_speed.py --fairseq FOLDER [--rounds 5] [--without-reference]

A round takes tagger at batch 8, tagger at batch 1 and the pipeline at batch 8, one after the other, so that a busy
machine is busy for all; medians of process time per image are printed. From pixels in memory to text, preprocessing included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from bench.ofa_reference import BPE, prepare_imports
from workers.models.ofa.load import load_caption
from workers.models.ofa.synthetic import random_picture, write_directory

BATCH = 8
SEED = 1000  # of the real-size goldens: all of its sentences reach the last token, so every step is paid


def cost(work: Callable[[], Any]) -> float:
    """Process seconds per image."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / BATCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fairseq", type=Path, help="unpacked source of fairseq-fixed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-reference", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pictures = [random_picture(SEED + i, 480, 640) for i in range(BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        write_directory(Path(folder), BPE, seed=SEED)
        model = load_caption(Path(folder), device="cpu")
        works: dict[str, Callable[[], Any]] = {
            "tagger, batch 8": lambda: ours(model, pictures, BATCH),
            "tagger, batch 1": lambda: ours(model, pictures, 1),
        }
        if not options.without_reference:
            prepare_imports(options.fairseq)
            from modelscope.pipelines import pipeline

            reference = pipeline("image-captioning", model=folder, device="cpu")
            images = [Image.fromarray(p) for p in pictures]
            works["ModelScope's pipeline, batch 8"] = lambda: reference(images, batch_size=BATCH)
        costs: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.rounds):
            for name, work in works.items():
                costs[name].append(cost(work))
    medians = {name: statistics.median(values) for name, values in costs.items()}
    for name, value in medians.items():
        print(f"{name}: {value:.3f} s of CPU an image (of {[round(v, 3) for v in costs[name]]})")
    first = medians["tagger, batch 8"]
    for name, value in list(medians.items())[1:]:
        print(f"{name} ÷ tagger, batch 8: {value / first:.2f}")


def ours(model: Any, pictures: list[Any], batch: int) -> list[str]:
    texts = []
    for at in range(0, len(pictures), batch):
        items = [model.prepare(p, "") for p in pictures[at : at + batch]]
        texts += [model.finish(raw, item).caption.text for raw, item in zip(model.run(items), items, strict=True)]
    return texts


if __name__ == "__main__":
    main()
