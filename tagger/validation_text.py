"""What is wrong with a value that was given, in words for the person who gave it, in place of pydantic's. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SITE_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
OBJECT = "must be an object"
WORDS = {  # pydantic's type of a fault → what to say
    "missing": "is missing",
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dataclass_type": OBJECT,
    "list_type": "must be a list",
    "string_type": "must be a text",
    "extra_forbidden": "is not known",
}
LENGTH = re.compile(r"(?:String|Value|List|Dictionary|Tuple) should have at (?P<border>least|most) (?P<number>\d+) .*")


def fault_text(error: Mapping[str, Any]) -> str:
    """`error`: one of `ValidationError.errors()`. A fault of ours (`Value error, …`) keeps its words."""
    message, kind = str(error["msg"]), str(error["type"])
    if kind in WORDS:
        return WORDS[kind]
    if kind == "string_pattern_mismatch" and SITE_ID in message:
        return "must be 1 to 63 of a-z, 0-9 and `-`, and begin with a letter or a digit"
    length = LENGTH.fullmatch(message)
    if length is None:
        return message.removeprefix("Value error, ")
    if length["border"] == "least" and length["number"] == "1":
        return "must not be empty"
    unit = "characters" if isinstance(error.get("input"), str | bytes) or kind.startswith("string") else "entries"
    return f"must have at {length['border']} {int(length['number']):,} {unit}"
