"""Chooses int8 or float32 for this processor, by a test when the model loads for the first time.

int8 is faster on most processors, with VNNI more so. Where it is slower, or does not compute what it should, float32 runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import structlog

from workers.models.lite import processor_choice
from workers.models.lite.files import open_session

log = structlog.get_logger()
Floats = npt.NDArray[np.float32]
Open = Callable[[str], ort.InferenceSession]

ROUNDS = 3  # of each form, in turn; the shortest counts, because other processes can only lengthen one
FASTER = 0.95  # share of float32's time that int8 may need
ALIKE = 0.9  # least cosine of each output of the two forms; of a form that computes garbage it is near 0


@dataclass(frozen=True, kw_only=True)
class Network:
    file: str
    session: ort.InferenceSession

    def run(self, tensor: Floats) -> list[Floats]:
        made: list[Floats] = self.session.run(None, {self.session.get_inputs()[0].name: tensor})
        return made


def int8(file: str) -> str:
    """The file of a network in int8."""
    return file.replace(".onnx", "_int8.onnx")


def choose(file: str, tensor: Floats, folder: Path | None = None, open_network: Open = open_session) -> Network:
    """The network in int8 if its answer for `tensor` agrees with that of float32 and it is faster; else the network in float32.

    `folder`: where the choice is kept for the next worker; None: nowhere.
    """
    if folder is None:
        return _measured(file, tensor, open_network)
    forms = (file, int8(file))
    kept = processor_choice.place(folder, forms)
    if (form := processor_choice.known(kept, forms)) is not None:
        return Network(file=form, session=open_network(form))
    chosen = _measured(file, tensor, open_network)
    form = processor_choice.keep(kept, chosen.file, forms)
    return chosen if form == chosen.file else Network(file=form, session=open_network(form))


def _measured(file: str, tensor: Floats, open_network: Open) -> Network:
    exact = Network(file=file, session=open_network(file))
    small = Network(file=int8(file), session=open_network(int8(file)))
    likeness = min(_cosine(a, b) for a, b in zip(exact.run(tensor), small.run(tensor), strict=True))
    share = _share_of_time(small, exact, tensor)
    chosen = small if likeness >= ALIKE and share <= FASTER else exact
    log.info("precision.chosen", network=chosen.file, time_share=round(share, 2), cosine=round(likeness, 4))
    return chosen


def _share_of_time(small: Network, exact: Network, tensor: Floats) -> float:
    """The processor's time of the first as a share of that of the second."""
    shortest = {small.file: float("inf"), exact.file: float("inf")}
    for _ in range(ROUNDS):
        for network in (small, exact):
            start = time.thread_time()
            network.run(tensor)
            shortest[network.file] = min(shortest[network.file], time.thread_time() - start)
    return shortest[small.file] / max(shortest[exact.file], 1e-9)


def _cosine(left: Floats, right: Floats) -> float:
    """−1 if an answer is not finite."""
    a, b = left.ravel().astype(np.float64), right.ravel().astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return -1.0
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else float(bool((a == b).all()))
