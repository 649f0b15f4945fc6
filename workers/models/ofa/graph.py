"""Work on tensors that never move. On CUDA it is captured once as a graph and replayed; elsewhere it runs directly.

A replay launches all kernels of the work with one call of the host: a decoding step of OFA has some hundred small ones, and to
launch them one by one would cost more than their work. What is recorded may read and write only tensors that outlive the
recording, and may not ask the device for a value; tests hold the work to that on a CPU
(tests/unit/workers/models/test_ofa_session.py).
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import torch
from torch import Tensor

Work = Callable[[], None]
Recorder = Callable[[Work], Work]

WARMUPS = 2  # before a capture, off the main stream: libraries choose algorithms and allocate what they keep

log = structlog.get_logger(__name__)


def as_it_is(work: Work) -> Work:
    return work


def recorder(device: torch.device) -> Recorder:
    """How work on this device is recorded. Recordings by one recorder share their memory, so only one may run at a time."""
    return Capture() if device.type == "cuda" else as_it_is


class Capture:
    """Records work as CUDA graphs."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        """Replays the work. If the capture fails, runs the work directly. Errors: those of the work, out-of-memory included."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUPS):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: another model's thread may allocate meanwhile without spoiling this capture
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as err:
            log.warning("graph.not_captured", error=str(err)[:300])
            return work
        return graph.replay


class LateLook:
    """Reads a flag of the device one step late, so that neither waits for the other: while the host reads the flag of the last
    step, the device already computes the present one."""

    def __init__(self, flag: Tensor) -> None:
        """flag [1] bool, written by each step."""
        self._flag = flag
        cuda = flag.device.type == "cuda"
        self._seen = [torch.zeros(1, dtype=torch.bool, pin_memory=cuda) for _ in range(2)]
        self._written = [torch.cuda.Event(blocking=True) for _ in range(2)] if cuda else []  # type: ignore[no-untyped-call]

    def after(self, step: int) -> bool:
        """The flag as it was after step - 1; False at the first step. Called once after each step, from 0 on."""
        now, before = step % 2, (step + 1) % 2
        self._seen[now].copy_(self._flag, non_blocking=True)
        if self._written:
            self._written[now].record()
        if step == 0:
            return False
        if self._written:
            self._written[before].synchronize()
        return bool(self._seen[before])
