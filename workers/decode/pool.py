"""A pool of decoder processes. Each can be killed without effect on the others.

A hostile image can at worst end its own decoder. The pool kills a decoder at its deadline and starts another; only that image
fails. Encoded bytes and pixels go through shared memory. Pixels are copied out, so that they do not depend on a process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, get_args

from tagger.asset import Content
from tagger.errors import (
    DeadlineExceeded,
    DecodeError,
    DecoderLost,
    DecoderUnavailable,
    DecodeTimeout,
    ImageTooLarge,
    ImageTooManyPixels,
)
from tagger.prediction import Pixels
from tagger.settings import MIB, Settings
from tagger.system.cpus import processors
from workers.decode.handle import DecoderProcess, Died, Patience
from workers.decode.protocol import BLOCKS, Limits

TYPED = {cls.code: cls for cls in (DecodeError, ImageTooManyPixels, DecodeTimeout)}
CONTENTS: dict[str, Content] = {name: name for name in get_args(Content)}
CLOSE_SECONDS = 5.0
PROGRESS_SECONDS = 0.01  # of processor time; a decoder that used less was stopped
# An image cannot cause these signals: the system was out of memory, or a person or program killed the decoder.
FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGBUS, signal.SIGTERM})


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    pixels: Pixels = field(repr=False)  # [height, width, 3], RGB (sRGB), upright, neither side over the pool's `long_side`
    width: int  # of the original, upright
    height: int
    format: str  # "JPEG", "PNG", … by content
    frames: int  # GIF and TIFF: 2 means "more than one"
    exif: bytes = field(default=b"", repr=False)
    iptc: bytes = field(default=b"", repr=False)
    xmp: bytes = field(default=b"", repr=False)
    extended: bytes = field(default=b"", repr=False)  # what the packet of a JPEG did not hold
    texts: bytes = field(default=b"", repr=False)  # JSON: "caption" and "title" that the format itself keeps
    content: Content = "shown"
    warnings: tuple[str, ...] = ()  # in plain English, for the job


def default_processes() -> int:
    """One for each usable processor, except one for the other work."""
    return max(1, processors() - 1)


class _Slot:
    """A place for one process. Owned by one thread at a time, between `_take` and `_give`."""

    def __init__(self, limits: Limits, life_fd: int) -> None:
        self._limits = limits
        self._life_fd = life_fd
        self.process: DecoderProcess | None = None
        self.start()

    def start(self) -> DecoderProcess:
        if self.process is None:
            try:
                self.process = DecoderProcess(self._limits, self._life_fd)
            except OSError as err:
                raise DecoderUnavailable(f"A decoder process cannot be started: {err.strerror}.") from err
        return self.process

    def ready(self) -> DecoderProcess:
        process = self.start()
        try:
            process.wait_ready()
        except (Died, TimeoutError) as err:
            self.kill()
            raise DecoderUnavailable("A decoder process does not start.") from err
        return process

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None


class _Suspect(Exception):
    """The image may not be the cause: the process had decoded others before (a leak, a corrupted heap), was killed from outside,
    or was stopped.
    """


class DecoderPool:
    """Decodes images for any number of threads.

    seconds: limit for one image · memory_bytes: address space of one process · long_side: of the pixels handed out ·
    pixels_in_flight: bytes of pixels that callers may hold on to at once; the next decode waits until some are dropped.
    """

    def __init__(
        self,
        processes: int = 0,
        *,
        seconds: float = 10.0,
        memory_bytes: int = 1024 * MIB,
        max_pixels: int = 100_000_000,
        max_bytes: int = 32 * MIB,
        long_side: int = 1024,
        pixels_in_flight: int = 256 * MIB,
    ) -> None:
        self.limits = Limits(
            max_bytes=max_bytes, max_pixels=max_pixels, long_side=long_side, seconds=seconds, memory_bytes=memory_bytes
        )
        self._largest = long_side * long_side * 3
        self._room = max(pixels_in_flight, self._largest)  # bytes of pixels that may still be handed out
        self._free = threading.Condition(threading.RLock())  # re-entrant: a finalizer may run while its thread is inside
        self._closed = False
        life_read, self._life_write = os.pipe()  # the processes notice its end when this process dies
        self._life_read = life_read
        self._slots = [_Slot(self.limits, life_read) for _ in range(processes or default_processes())]
        self._idle = list(self._slots)

    @classmethod
    def of(cls, settings: Settings, *, long_side: int = 1024) -> Self:
        return cls(
            settings.decode_processes,
            seconds=settings.decode_seconds,
            memory_bytes=settings.decode_memory_bytes,
            max_pixels=settings.max_pixels,
            max_bytes=settings.max_body_bytes,
            long_side=long_side,
        )

    @property
    def pids(self) -> list[int]:
        """Process ids of the decoders that run now."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def decode(self, data: bytes, *, deadline: float) -> Decoded:
        """Decodes before `deadline`, a `time.monotonic()` reading. Called from any thread; blocks.

        Errors: DecodeError (not an image, or broken), ImageTooManyPixels, ImageTooLarge, DecodeTimeout (the pool's limit of
        processor time or memory). Retryable: DeadlineExceeded (the deadline of the caller came first), DecoderUnavailable, and
        its subclass DecoderLost (killed from outside or stopped, twice).
        """
        if len(data) > self.limits.max_bytes:
            raise ImageTooLarge(f"The image is larger than {self.limits.max_bytes:,} bytes.")
        slot = self._take(deadline)
        used = 0
        try:
            try:
                decoded = self._exchange(slot, data, deadline)
            except _Suspect:
                slot.kill()
                try:
                    decoded = self._exchange(slot, data, deadline)  # in a new process; if it fails too, the image is the cause
                except _Suspect as err:
                    raise DecoderLost("Two decoders of the image were killed or stopped.") from err
            used = decoded.pixels.nbytes
            weakref.finalize(decoded.pixels, self._release, used).atexit = False
            return decoded
        finally:
            self._give(slot, self._largest - used)

    def close(self) -> None:
        """Ends every process. Running decodes fail with DecoderUnavailable."""
        with self._free:
            if self._closed:
                return
            self._closed = True
            self._free.notify_all()
            for slot in self._slots:
                if slot not in self._idle and slot.process is not None:
                    slot.process.interrupt()
            self._free.wait_for(lambda: len(self._idle) == len(self._slots), CLOSE_SECONDS)
            for slot in self._idle:
                slot.kill()
        os.close(self._life_write)
        os.close(self._life_read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _take(self, deadline: float) -> _Slot:
        """A slot, and room for the largest result."""
        with self._free:
            self._free.wait_for(
                lambda: self._closed or (self._idle and self._room >= self._largest), max(0.0, deadline - time.monotonic())
            )
            if self._closed:
                raise DecoderUnavailable("The decoders are shutting down.")
            if not self._idle or self._room < self._largest:
                raise DecoderUnavailable("No decoder became free in time.")
            self._room -= self._largest
            return self._idle.pop()  # the one used last: its memory is warm

    def _give(self, slot: _Slot, room: int) -> None:
        with self._free:
            self._idle.append(slot)
            self._release(room)

    def _release(self, room: int) -> None:
        with self._free:
            self._room += room
            self._free.notify()

    def _exchange(self, slot: _Slot, data: bytes, deadline: float) -> Decoded:
        process = slot.ready()
        fresh = process.served == 0
        try:
            answer, blocks = process.decode(data, self._patience(process, deadline))
            if "error" not in answer:
                return _decoded(process, answer, blocks)
        except (_Suspect, DeadlineExceeded, DecodeTimeout):
            slot.kill()
            raise
        except Died as died:
            slot.kill()
            raise self._cause(died, fresh) from None
        finally:
            if slot.process is process:
                process.shed(len(data))
        if answer["error"] == DecodeTimeout.code and not fresh:
            raise _Suspect
        raise TYPED.get(str(answer["error"]), DecodeError)(str(answer["detail"]))

    def _patience(self, process: DecoderProcess, deadline: float) -> Patience:
        """The limit counts processor time. If that much wall-clock time passed, a decoder that makes progress continues, because
        the machine is busy or was stopped. A decoder without progress is replaced.
        """
        began = used = process.cpu_seconds()

        def again() -> float:
            nonlocal used
            before, used = used, process.cpu_seconds()
            if used - began >= self.limits.seconds:
                raise DecodeTimeout(f"Decoding the image took more than {self.limits.seconds:g} seconds.")
            if time.monotonic() >= deadline:
                raise DeadlineExceeded("The time of the job ended while its image was decoded.")
            if used - before < PROGRESS_SECONDS:
                raise _Suspect
            return min(time.monotonic() + self.limits.seconds, deadline)

        return Patience(min(time.monotonic() + self.limits.seconds, deadline), again)

    def _cause(self, died: Died, fresh: bool) -> Exception:
        if self._closed:
            return DecoderUnavailable("The decoders are shutting down.")
        if died.by == signal.SIGXCPU:
            return DecodeTimeout(f"Decoding the image took more than {self.limits.seconds:g} seconds.")
        if not fresh or died.by in FROM_OUTSIDE:
            return _Suspect()
        return DecodeError("The decoder fails on this image.")


def _decoded(process: DecoderProcess, answer: dict[str, Any], blocks: list[bytes]) -> Decoded:
    try:
        metadata = dict(zip(BLOCKS, blocks, strict=True))
        return Decoded(
            pixels=process.pixels(int(answer["width"]), int(answer["height"])),
            width=int(answer["full_width"]),
            height=int(answer["full_height"]),
            format=str(answer["format"]),
            frames=int(answer["frames"]),
            warnings=tuple(str(warning) for warning in answer["warnings"]),
            content=CONTENTS[answer["content"]],
            **metadata,
        )
    except (KeyError, ValueError, TypeError) as err:
        raise Died from err  # an answer that a correct decoder never gives
