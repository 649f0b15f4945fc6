"""Reads questions, one JSON object a line, and answers each; what goes wrong becomes an answer, too."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

Do = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]


def serve(do: Do) -> None:
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = do[question["do"]](question)
        except Exception as err:  # noqa: BLE001 - the run reports it as the rule's failure
            answer = {"error": f"{type(err).__name__}: {err}"}
        print(json.dumps(answer), flush=True)
