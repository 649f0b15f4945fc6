"""The device of torch models, and the transfer of images to it."""

from __future__ import annotations

import torch

from tagger.prediction import Pixels
from tagger.system.cpus import processors


def best() -> str:
    """`cuda` if torch finds a device, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def share_cores(processes: int, cores: int | None = None) -> int:
    """Sets the number of threads of this process to its share of the cores, and returns it. `processes`: tag workers per lane; 0:
    one per core.

    Without it each process would start a thread per core. The threads would wait for each other, and all processes together would
    be slower than one. OFA on two cores: one process with two threads 2.9 images/s, two processes with two threads each 1.1.
    """
    cores = cores or processors()
    threads = max(1, cores // (processes or cores))
    torch.set_num_threads(threads)
    return threads


def staged(pixels: Pixels, device: torch.device) -> Pixels:
    """The image in pinned memory, which a CUDA device reads by itself (torch reuses such memory). For other devices the image is
    not copied. Call it in the task thread that prepares the image. Then the owner thread copies nothing, and the device works on
    one batch while the next one is prepared."""
    if device.type != "cuda":
        return pixels
    held: Pixels = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True).numpy()
    held[...] = pixels
    return held
