"""A batch that fails is halved until each faulty image is alone. The other images finish, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tagger.errors import ModelError, ModelOutOfMemory, PoisonImage

P = TypeVar("P")
R = TypeVar("R")
P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

MEMORY_WORDS = ("out of memory", "failed to allocate", "can't allocate memory", "bad_alloc", "alloc_failed")


class DeviceFault(Exception):
    """The device or the model failed, not an image. It never leaves the engine: the process ends."""


class WrongCount(Exception):
    """The number of results differs from the number of items, so no position can be trusted."""


class Device(Protocol[P_contra, R_co]):
    """The methods that `isolate` needs. All are called in the owner thread."""

    def run(self, items: Sequence[P_contra]) -> Sequence[R_co]: ...

    def healthy(self) -> bool:
        """Whether the canary is still right."""
        ...

    def out_of_memory(self, items: Sequence[P_contra]) -> None:
        """These items together exceeded the memory of the device."""
        ...


def isolate(device: Device[P, R], items: Sequence[P]) -> list[R | ModelError]:
    """Run the items. Returns, by position, the result or the error of each image.

    The device is trusted if it worked after the last failure and at most one image failed. Otherwise the canary decides. It runs
    after the second failure at the latest, because a dead device would fail every half. Errors: DeviceFault.
    """
    answers: dict[int, R | ModelError] = {}
    failed = 0
    proven = True  # a run succeeded since the last failure
    spans = [(0, len(items))]
    while spans:
        low, high = spans.pop()
        part = items[low:high]
        try:
            results = _run_checked(device, part)
        except Exception as err:  # noqa: BLE001 - a model may raise anything; that is what is sorted out here
            proven = False
            if is_out_of_memory(err) and len(part) > 1:
                device.out_of_memory(part)
            if len(part) > 1:
                middle = (low + high) // 2
                spans += [(middle, high), (low, middle)]  # popped from the end: left half first
                continue
            answers[low] = blame(err)
            failed += 1
            if failed == 2:
                _require_health(device, err)
                proven = True
        else:
            proven = True
            answers.update(zip(range(low, high), results, strict=True))
    if not proven:
        _require_health(device, None)
    return [answers[i] for i in range(len(items))]


def blame(err: Exception) -> ModelError:
    """The error of an image that failed alone."""
    if isinstance(err, ModelError):
        return err
    what = f"{type(err).__name__}: {err}"[:300]
    if is_out_of_memory(err):
        return ModelOutOfMemory(what)
    if isinstance(err, WrongCount):
        return ModelError(what)
    return PoisonImage(what)


def is_out_of_memory(err: BaseException) -> bool:
    """By type. If a runtime has no type for it (onnxruntime, torch on a CPU), by the text of the error."""
    if isinstance(err, MemoryError):
        return True
    if any(c.__name__ == "OutOfMemoryError" and c.__module__.split(".")[0] == "torch" for c in type(err).__mro__):
        return True
    runtime = isinstance(err, RuntimeError) or type(err).__module__.startswith("onnxruntime")
    return runtime and any(words in str(err).lower() for words in MEMORY_WORDS)


def _run_checked(device: Device[P, R], items: Sequence[P]) -> Sequence[R]:
    results = device.run(items)
    if len(results) != len(items):
        raise WrongCount(f"{len(results)} results for {len(items)} images")
    return results


def _require_health(device: Device[P, R], err: Exception | None) -> None:
    if not device.healthy():
        raise DeviceFault("the canary failed after a batch had raised") from err
