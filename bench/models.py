"""Images per second and milliseconds per stage of OFA captions, OFA entailment and GME, over batch sizes; share of the roof.

    PYTHONPATH=.:tests python bench/models.py [--models DIR] [--batches 1,2,4,8] [--gme small|2b] [--threads 1] [--only gme]

Without --models the weights are random: OFA at its real size, GME at the size named (`2b` is the real one, for a GPU).
FLOPs are those that torch counts in one `run` (multiply and add are two); the roof is the best rate of large matrix products in
the model's own precision, measured in the same process. "One at a time" is how GME's own library runs it. The reference of OFA
needs an environment of its own: bench/ofa_speed.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from support import gme_cases
from support.ofa_compare import BPE
from torch.utils.flop_counter import FlopCounterMode

from tagger.prediction import Pixels
from workers.models import accelerator
from workers.models.base import Model
from workers.models.gme.load import CPU_TOKENS, DEVICE_TOKENS
from workers.models.gme.load import load as load_gme
from workers.models.gme.model import WASTE
from workers.models.gme.prepare import groups
from workers.models.ofa.load import load_caption, load_entailment
from workers.models.ofa.synthetic import CAPTION_DISTILLED, ENTAILMENT_TASK_BODY, random_picture, write_directory

ROUNDS = 5
STATEMENT = "Two dogs play on a beach."
SIZES = ((480, 640), (640, 480), (600, 800), (768, 1024), (720, 1280), (1024, 1024), (400, 400), (1080, 1920))  # mixed
GME_SMALL = {
    "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 2,
    "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
    "vision_config": {"depth": 3, "embed_dim": 320, "hidden_size": 512, "num_heads": 4, "mlp_ratio": 4},
}  # fmt: skip
GME_2B = {
    "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": 151_936, "rope_theta": 1e6,
    "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--batches", default="1,2,4,8")
    parser.add_argument("--gme", choices=("small", "2b"), default="small")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", choices=("caption", "entailment", "gme"))
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    device = accelerator.best()
    half = torch.bfloat16 if device == "cuda" else torch.float32
    batches = [int(n) for n in asked.batches.split(",")]
    name = torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    roof = measured_roof(device, half)
    print(f"{name}; {torch.get_num_threads()} threads; torch {torch.__version__}, {str(half).removeprefix('torch.')}")
    print(f"roof by matrix products: {roof / 1e9:,.0f} GFLOP/s")
    with tempfile.TemporaryDirectory() as made:
        home = asked.models or Path(made)
        for part in ("caption", "entailment", "gme"):
            if asked.only in (None, part):
                model = loaded(part, home, device, asked)
                table(part, model, pictures(part, max(batches)), batches, device, roof)
                if part == "gme":
                    mixed(model, device, 64 if device == "cuda" else 6)


def loaded(part: str, home: Path, device: str, asked: Any) -> Model[Any, Any]:
    own = asked.models is None
    if part == "caption":
        folder = write_directory(home / "ofa-caption", BPE) if own else home / "ofa-caption"
        return load_caption(folder, device=device)
    if part == "entailment":
        folder = home / "ofa-entailment"
        if own:
            write_directory(folder, BPE, model=CAPTION_DISTILLED, task=ENTAILMENT_TASK_BODY)
        return load_entailment(folder, device=device)
    if own:
        body = gme_cases.config_body(gme_cases.tokenizer())
        size = GME_SMALL if asked.gme == "small" else GME_2B
        vision = {**body["vision_config"], **size["vision_config"]}  # type: ignore[dict-item]
        gme_cases.directory(home / "gme", body={**body, **size, "vision_config": vision})
    return load_gme(home / "gme", device=device)


def pictures(part: str, count: int) -> list[Pixels]:
    """OFA squashes them to one size; GME gets one size here, and mixed ones in `mixed`."""
    height, width = (448, 448) if part == "gme" else (480, 640)
    return [random_picture(seed, height, width) for seed in range(count)]


def table(part: str, model: Model[Any, Any], images: Sequence[Pixels], batches: Sequence[int], device: str, roof: float) -> None:
    print(f"\n{part}: {model.name}@{model.revision}")
    print(
        f"{'batch':>5} {'prepare':>9} {'run':>9} {'finish':>9} {'ms/image':>9} {'images/s':>9} {'GFLOP/image':>12} {'of roof':>8}"
    )
    instruction = STATEMENT if part == "entailment" else ""
    for size in batches:
        batch = images[:size]
        items = [model.prepare(image, instruction) for image in batch]
        model.run(items)
        with FlopCounterMode(display=False) as counter:
            model.run(items)
        flop = counter.get_total_flops() / size
        prepare = median(lambda batch=batch: [model.prepare(image, instruction) for image in batch], "cpu") / size
        run = median(lambda items=items: model.run(items), device) / size
        raws = model.run(items)
        finish = (
            median(lambda raws=raws, batch=batch: [model.finish(r, p) for r, p in zip(raws, batch, strict=True)], "cpu") / size
        )
        print(
            f"{size:>5} {prepare * 1e3:>9.2f} {run * 1e3:>9.2f} {finish * 1e3:>9.3f} {(prepare + run + finish) * 1e3:>9.2f} "
            f"{1 / run:>9.2f} {flop / 1e9:>12.1f} {flop / run / roof:>8.1%}"
        )


def mixed(model: Model[Any, Any], device: str, count: int) -> None:
    """Mixed sizes, batched and one at a time, by turns."""
    images = [random_picture(seed, *SIZES[seed % len(SIZES)]) for seed in range(count)]
    items = [model.prepare(image, "") for image in images]
    lengths = [int(model.size(item)) for item in items]
    cut = groups(lengths, waste=WASTE, most=CPU_TOKENS if device == "cpu" else DEVICE_TOKENS)
    waste = 1 - sum(lengths) / sum(max(lengths[i] for i in some) * len(some) for some in cut)
    together, alone = [], []
    for _ in range(3):
        together.append(timed(lambda: model.run(items), device))
        alone.append(timed(lambda: [model.run([item]) for item in items], device))
    ratio = statistics.median(alone) / statistics.median(together)
    print(
        f"mixed sizes: {len(items)} images of {min(lengths)} to {max(lengths)} tokens in {len(cut)} passes, padding {waste:.1%}"
    )
    print(f"             batched over one at a time: {ratio:.2f} ×  ({len(items) / statistics.median(together):.2f} images/s)")


def measured_roof(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of the best of several large matrix products."""
    side = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return max(2 * side**3 / timed(lambda: a @ b, device) for _ in range(8))


def median(work: Callable[[], Any], device: str) -> float:
    return statistics.median(timed(work, device) for _ in range(ROUNDS))


def timed(work: Callable[[], Any], device: str) -> float:
    """Seconds, the device's queue drained. On one CPU thread those of the processor: a busy machine does not count."""
    if device == "cuda":
        torch.cuda.synchronize()
    clock = time.process_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - began


if __name__ == "__main__":
    main()
