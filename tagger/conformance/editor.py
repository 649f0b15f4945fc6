"""The editor program: acts as a person in the CMS under test. One JSON object a line in, one JSON object a line out.

    {"do": "upload", "filename": "a.png", "base64": "…"}                          → {"id": "4711"}
    {"do": "edit", "id": "4711", "field": "alt_text", "locale": "en", "value": "…"} → {}
    {"do": "clear", "id": "4711", "field": "alt_text", "locale": "en"}            → {}
    {"do": "tag", "id": "4711", "label": "…"}, {"do": "untag", …}                 → {}
    {"do": "read", "id": "4711"}      → {"fields": {"alt_text": {"en": "…"}}, "tags": ["…"]}, or {"gone": true}
    {"do": "delete", "id": "4711"}                                                → {}

An answer {"error": "…"} says what went wrong; {"unsupported": true} that the CMS has no such thing.
"""

from __future__ import annotations

import base64
import json
import queue
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tagger.conformance.outcome import Failed, NotSupported
from tagger.errors import BadRequest
from tagger.settings import plain_env
from tagger.system.children import start_child

SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a person sees of one asset."""

    texts: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    gone: bool = False

    def text(self, field: str, locale: str) -> str:
        """Empty and never set look the same to a person."""
        return self.texts.get((field, locale)) or ""


class Editor:
    """One process for the whole run; one question at a time, from any thread."""

    def __init__(self, command: str) -> None:
        """Errors: BadRequest for a command that cannot be started."""
        try:
            program, *arguments = shlex.split(command)
            argv = [shutil.which(program) or program, *arguments]
            self._process = start_child(argv, env=plain_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except (OSError, ValueError) as err:
            raise BadRequest(f"The editor {command!r} cannot be started: {err}", "Give a command with its arguments.") from err
        self._lock = threading.Lock()
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="editor", daemon=True)
        self._reader.start()

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def upload(self, filename: str, content: bytes) -> str:
        return str(self._ask("upload", filename=filename, base64=base64.b64encode(content).decode())["id"])

    def edit(self, asset: str, field: str, locale: str, value: str) -> None:
        self._ask("edit", id=asset, field=field, locale=locale, value=value)

    def clear(self, asset: str, field: str, locale: str) -> None:
        self._ask("clear", id=asset, field=field, locale=locale)

    def tag(self, asset: str, label: str) -> None:
        self._ask("tag", id=asset, label=label)

    def untag(self, asset: str, label: str) -> None:
        self._ask("untag", id=asset, label=label)

    def delete(self, asset: str) -> None:
        self._ask("delete", id=asset)

    def read(self, asset: str) -> Reading:
        answer = self._ask("read", id=asset)
        if answer.get("gone"):
            return Reading(gone=True)
        fields = answer.get("fields", {})
        texts = {(name, locale): value for name, locales in fields.items() for locale, value in locales.items()}
        return Reading(texts=texts, tags=frozenset(answer.get("tags", [])))

    def _ask(self, do: str, **more: str) -> dict[str, Any]:
        """Errors: Failed if the program does not do it, NotSupported if the CMS has no such thing."""
        with self._lock:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
                self._process.stdin.flush()
                answer = json.loads(self._lines.get(timeout=SECONDS))
            except (OSError, ValueError) as err:
                raise Failed(f"The editor program broke off at {do!r}: {err}") from err
            except queue.Empty:
                raise Failed(f"The editor program did not answer {do!r} within {SECONDS:.0f} s.") from None
        if not isinstance(answer, dict) or "error" in answer:
            raise Failed(f"The editor program could not {do}: {answer}")
        if answer.get("unsupported"):
            raise NotSupported(f"The editor program cannot {do}.")
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")  # the program ended: whoever waits reads that it is no JSON
