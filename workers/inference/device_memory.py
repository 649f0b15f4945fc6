"""The memory of the GPU, as the driver counts it: what other processes hold is in it, too."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DeviceMemory:
    used: int  # bytes
    total: int


def device_memory() -> DeviceMemory | None:
    """None for a process whose models use no GPU. It never imports torch: without the large models nothing has."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    free, total = torch.cuda.mem_get_info()
    return DeviceMemory(used=total - free, total=total)
