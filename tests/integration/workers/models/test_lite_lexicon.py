"""The rules of the lite models are the same in every process: two workers say the same of one picture."""

from __future__ import annotations

import os
import subprocess
import sys

DIGEST = """
import hashlib
from workers.models.lite.lexicon import lexicon
print(hashlib.sha256(lexicon().rules.tobytes()).hexdigest())
"""


def digest(seed: int) -> str:
    """Of the rules, in a process whose sets have an order of their own."""
    env = {**os.environ, "PYTHONHASHSEED": str(seed)}
    return subprocess.run([sys.executable, "-c", DIGEST], env=env, capture_output=True, text=True, check=True, timeout=60).stdout


def test_rules_do_not_depend_on_the_order_of_a_set() -> None:
    assert len({digest(seed) for seed in (1, 2, 3)}) == 1
