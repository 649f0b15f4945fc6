"""Text from outside, made safe for a terminal: whatever would move the cursor, change colours or turn the reading direction is
written out as its escape. Pure.

An asset's id, a file's name, an answer of a CMS may hold any character. Sent raw to an operator's terminal they could rewrite
what stands there, or set its title or clipboard.
"""

from __future__ import annotations

import regex

# Cc: C0, DEL, C1. Cs: halves of surrogate pairs, which no stream can encode. Then the marks of direction, the separators of lines
# and paragraphs, and the tag characters, which are invisible.
_CONTROLS = r"\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\U000E0000-\U000E007F"
_IN_TEXT = regex.compile(rf"[{_CONTROLS}--\n\t]", regex.V1)
_IN_CELL = regex.compile(rf"[{_CONTROLS}]", regex.V1)
_IN_JSON = regex.compile(rf"[{_CONTROLS}--\n]", regex.V1)


def escape_controls(text: str) -> str:
    """For lines that we compose: line breaks and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def escape_cell(text: str) -> str:
    """For one value: a line break in it would look like a line of ours."""
    return _IN_CELL.sub(_escape, text)


def escape_json(text: str) -> str:
    """For JSON that was written with `ensure_ascii=False`: the same value, in characters that a terminal only shows."""
    return _IN_JSON.sub(_json_escape, text)


def _escape(match: regex.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escape(match: regex.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
