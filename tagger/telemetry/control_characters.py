"""Text from outside, made safe for a terminal: whatever would move the cursor, change colours or turn the reading direction is
written out as its escape. Pure.

An asset's id, a file's name, an answer of a CMS may hold any character. Sent raw to an operator's terminal they could rewrite
what stands there, or set its title or clipboard.
"""

from __future__ import annotations

import re

# C1 controls with DEL, and halves of surrogate pairs, which no stream can encode. Then the marks of direction, the separators of
# lines and paragraphs, and the tag characters, which are invisible.
_ALWAYS = r"\x7F-\x9F\uD800-\uDFFF\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\U000E0000-\U000E007F"
_IN_TEXT = re.compile(rf"[\x00-\x08\x0B-\x1F{_ALWAYS}]")  # all C0 controls but tab and line feed
_IN_CELL = re.compile(rf"[\x00-\x1F{_ALWAYS}]")
_IN_JSON = re.compile(rf"[\x00-\x09\x0B-\x1F{_ALWAYS}]")  # all but line feed


def escape_controls(text: str) -> str:
    """For lines that we compose: line breaks and tabs stay."""
    return _IN_TEXT.sub(_escape, text)


def escape_cell(text: str) -> str:
    """For one value: a line break in it would look like a line of ours."""
    return _IN_CELL.sub(_escape, text)


def escape_json(text: str) -> str:
    """For JSON that was written with `ensure_ascii=False`: the same value, in characters that a terminal only shows."""
    return _IN_JSON.sub(_json_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
