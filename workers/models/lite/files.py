"""Where the weights lie in the package, their revisions, and how a session is opened."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import onnxruntime as ort

DATA = Path(__file__).parent / "data"


@functools.cache
def revision(*names: str) -> str:
    """First 8 hex digits of the SHA-256 over the named data files, in that order."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((DATA / name).read_bytes())
    return digest.hexdigest()[:8]


def table(name: str) -> Any:
    """A JSON data file of the package."""
    return json.loads((DATA / name).read_text("utf-8"))


def open_session(name: str) -> ort.InferenceSession:
    """A session of a data file. It belongs to the thread that opens it."""
    return ort.InferenceSession(str(DATA / name), options(), providers=["CPUExecutionProvider"])


def options() -> ort.SessionOptions:
    """One thread a session: more threads under load were far slower, and processes share the cores."""
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.inter_op_num_threads = 1
    chosen.enable_cpu_mem_arena = False  # the arena keeps 50 MB when there is no image; without it an image takes as long
    chosen.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.log_severity_level = 3
    return chosen
