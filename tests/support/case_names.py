"""The name of a parametrised case: the same in every process, readable in a terminal, short enough for one line.

pytest takes the value itself for the name. A value that was compressed, drawn or made now differs from process to process, and
then pytest-xdist refuses to run at all ("Different tests were collected"). So a value names its case only if it is a plain word.
Any other case is named by its parameter and its place: `data3`.
"""

from __future__ import annotations

LONGEST_VALUE = 60
LONGEST_NAME = 200


def case_name(value: object, parameter: str) -> str | None:
    """The part of a case's name that stands for this value; None leaves it to pytest."""
    if isinstance(value, bytes):
        return parameter  # often compressed or drawn; never a word that somebody reads
    if isinstance(value, str) and not (len(value) <= LONGEST_VALUE and is_plain(value)):
        return parameter
    return None


def is_plain(words: str) -> bool:
    return words.isascii() and words.isprintable() and "\\" not in words


def refused(name: str) -> str:
    """What is wrong with the whole name of a test; empty if nothing is."""
    if not is_plain(name):
        return "a character that is not printable ASCII, or had to be escaped"
    if len(name) > LONGEST_NAME:
        return f"over {LONGEST_NAME} characters"
    if " at 0x" in name:
        return "an address in memory"
    return ""
