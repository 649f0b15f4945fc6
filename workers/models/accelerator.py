"""Which device torch models run on, and the way of pictures to it."""

from __future__ import annotations

import torch

from tagger.prediction import Pixels
from tagger.system.cpus import processors


def best() -> str:
    """`cuda` where torch sees one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def share_cores(processes: int, cores: int | None = None) -> int:
    """Gives this process its share of the cores of a CPU and returns it. `processes`: tag workers per lane; 0: one per core.

    Without it each of them would start a thread per core, and waiting for each other they are slower together than one alone:
    OFA on two cores, one process with two threads 2.9 images/s, two processes with two threads each 1.1.
    """
    cores = cores or processors()
    threads = max(1, cores // (processes or cores))
    torch.set_num_threads(threads)
    return threads


def staged(pixels: Pixels, device: torch.device) -> Pixels:
    """The picture in memory that a CUDA device reads by itself (torch keeps such memory and gives it out again); for other
    devices as it is. To be called where a picture is prepared, in a task's thread: the owner thread then copies nothing, and
    the device works on one batch while the next one is laid ready."""
    if device.type != "cuda":
        return pixels
    held: Pixels = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True).numpy()
    held[...] = pixels
    return held
