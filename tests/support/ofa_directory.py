"""Small OFA model directories for tests: written once per process, copied for tests that spoil them."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from support.ofa_compare import BPE
from workers.models.ofa.synthetic import CAPTION_TASK_BODY, ENTAILMENT_TASK_BODY, TINY, write_directory

SMALL = {"patch_image_size": 64}


@functools.cache
def _made(entailment: bool) -> Path:
    body = ENTAILMENT_TASK_BODY if entailment else CAPTION_TASK_BODY
    folder = Path(tempfile.mkdtemp(prefix="tagger-ofa-"))
    return write_directory(folder, BPE, model=TINY, task={**body, "model": {**body["model"], **SMALL}}, seed=20)


def caption_directory(into: Path) -> Path:
    return Path(shutil.copytree(_made(False), into / "caption"))


def entailment_directory(into: Path) -> Path:
    return Path(shutil.copytree(_made(True), into / "entailment"))
