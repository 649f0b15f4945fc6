"""Which device torch models run on."""

from __future__ import annotations

import torch


def best() -> str:
    """`cuda` where torch sees one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"
