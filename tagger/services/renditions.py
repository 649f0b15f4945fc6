"""Small JPEGs of foreign images. A process of the workers makes them, so that no image parser runs in this process."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tagger.errors import DecodeError, DecoderUnavailable, ErrorInfo
from tagger.settings import Settings, child_env
from tagger.system.children import start_child
from tagger.system.interpreter import module

LARGEST = 1024  # pixels of a side
CLOSE_SECONDS = 5.0


class Renditions:
    """One process, started with the first image and used by one thread. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def jpeg(self, picture: Path, size: tuple[int, int], *, quality: int = 82) -> bytes:
        """An upright JPEG that fits into `size`, with no side above `LARGEST`. It is never enlarged.

        Errors: DecodeError; DecoderUnavailable if the process ended (the next call starts another).
        """
        request = {"path": str(picture.absolute()), "size": size, "quality": quality}
        try:
            answer, made = self._asked(json.dumps(request).encode() + b"\n")
        except (OSError, ValueError) as err:
            self.close()
            raise DecoderUnavailable("The decoder process ended.", "Run `tagger doctor`.") from err
        if "error" in answer:
            error = ErrorInfo.from_dict(answer["error"])
            raise DecodeError(error.detail, error.remedy)
        return made

    def opens(self, picture: Path) -> bool:
        """Errors: DecoderUnavailable."""
        try:
            self.jpeg(picture, (64, 64))
        except DecodeError:
            return False
        return True

    def _asked(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())  # empty if the process ended: ValueError
        length = int(answer.get("bytes", 0))
        made = process.stdout.read(length)
        if len(made) < length:
            raise ValueError("cut")
        return answer, made

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = start_child(
            module("workers.renditions"),
            env=child_env(self._settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            own_session=True,  # the command handles Ctrl-C
        )
        return self._process

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # the process did not read this request
                    stream.close()
        try:
            process.wait(CLOSE_SECONDS)  # without requests it ends its decoder and itself
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
