"""Vectors of search queries: `python -m workers.texts`. It answers each line of standard input with a line on standard output.

    {"text": "a cat"}  → {"model": name@revision, "vector": [number, …]}, or {"model": null} if the embedding model of this
                         installation reads no text outside a tag worker

It ends when its standard input ends. The log goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from tagger.errors import TaggerError
from tagger.settings import Settings, load
from tagger.telemetry import logs
from workers.inference.ensemble import plan

Answer = dict[str, Any]


def reader(settings: Settings) -> Callable[[str], Answer]:
    """GME has two billion parameters, so it is loaded only by tag workers. The fake model reads no text."""
    if plan(settings).embed != "lite":
        return lambda _text: {"model": None}
    from workers.models.lite import TextEncoder

    encoder = TextEncoder()
    return lambda text: {"model": encoder.model, "vector": encoder.vectors([text])[0].tolist()}


def main() -> int:
    try:
        settings = load()
        logs.configure(settings, "texts", stream=sys.stderr)
        read = reader(settings)
        for line in sys.stdin:
            print(json.dumps(read(json.loads(line)["text"])), flush=True)  # noqa: T201 - the answer
    except TaggerError as err:
        print(json.dumps({"error": err.info().to_dict()}, ensure_ascii=False), flush=True)  # noqa: T201 - the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
