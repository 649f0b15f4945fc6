"""The memory of a GPU is asked only of a torch that somebody else loaded and that uses a GPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from workers.inference.device_memory import DeviceMemory, device_memory


def torch_with(initialized: bool) -> SimpleNamespace:
    return SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: initialized, mem_get_info=lambda: (30, 100)))


def test_without_torch_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert device_memory() is None
    assert "torch" not in sys.modules


def test_a_torch_on_the_processor_has_none_and_one_on_a_gpu_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch_with(initialized=False))
    assert device_memory() is None
    monkeypatch.setitem(sys.modules, "torch", torch_with(initialized=True))
    assert device_memory() == DeviceMemory(used=70, total=100)
