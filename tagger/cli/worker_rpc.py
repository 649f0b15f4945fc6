"""Calls of the command line to the models: one process per call, never an import."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.errors import EngineStopped, ErrorInfo, TaggerError
from tagger.settings import Settings, child_env
from tagger.system import interpreter
from tagger.system.children import start_child


class ModelsRefused(TaggerError):
    """The error that the process answered, with its own code, title and remedy."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.detail, error.remedy)
        self.told = error

    def info(self) -> ErrorInfo:
        return self.told


def ask(question: str, body: Mapping[str, Any], settings: Settings) -> Iterator[dict[str, Any]]:
    """Ask the models. Yields one answer per line. Errors: ModelsRefused; EngineStopped if the process died."""
    return run(["workers.ask", question], body, settings)


def run(module: Sequence[str], body: Mapping[str, Any], settings: Settings) -> Iterator[dict[str, Any]]:
    """Run `python -m` with a module of the workers and its arguments. Same answers and errors as `ask`."""
    argv = interpreter.module(*module)
    env = child_env(settings)
    with tempfile.TemporaryFile("w+") as request, tempfile.TemporaryFile("w+") as log:
        json.dump(body, request)
        request.seek(0)
        process = start_child(argv, env=env, stdin=request, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                answer = json.loads(line)
                if "error" in answer and "file" not in answer:
                    raise ModelsRefused(ErrorInfo.from_dict(answer["error"]))
                yield answer
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
            process.stdout.close()
            process.wait()
        if status != 0:
            log.seek(0)
            last = (log.read().strip().splitlines() or ["no log"])[-1]
            raise EngineStopped(f"`python -m {' '.join(module)}` ended with status {status}: {last}", "Run `tagger doctor`.")
