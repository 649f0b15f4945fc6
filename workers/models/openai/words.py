"""What of a server's text is a caption. Pure."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 1_000  # characters of a caption
BREAKS = ("Cc", "Zl", "Zp")  # Unicode categories of control characters and breaks

THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
END_OF_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)  # some servers leave out the begin of a thought
BEGIN_OF_THOUGHT = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
REFUSAL = re.compile(
    r"""(?:^|[.!?])[\s"'(*]*  # at the begin of a sentence
    (?: (?:(?:I\ am|I'm)\ (?:(?:very|so|really|truly)\ )?sorry) | Sorry\s*, | (?:I\ apologi[sz]e) | My\ apologies
      | I\ cannot | I\ can't | I\ can\ not | I\ won't | I\ could\ not | I\ couldn't | I\ do\ not\ | I\ don't
      | (?:I\ am|I'm)\ (?:unable|not\ able|not\ allowed|not\ comfortable)
      | As\ an\ (?:AI|artificial\ intelligence)\b | (?:I\ am|I'm)\ an\ AI | Unfortunately,?\ I
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def caption_in(text: str) -> str | None:
    """The sentence without thoughts, quotes and control characters; None if nothing is left, or if the model declines."""
    said = END_OF_THOUGHT.split(THOUGHT.sub(" ", text))[-1]
    if BEGIN_OF_THOUGHT.search(said):
        return None  # the thought has no end, so what follows is no answer
    said = printable(said).strip('" ')
    if REFUSAL.search(said.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        return None
    return said[:LONGEST].strip() or None


def printable(text: str) -> str:
    """One line that every database and page can hold: no control characters, and no half of a surrogate pair."""
    kinds = ((sign, unicodedata.category(sign)) for sign in text)
    return " ".join("".join(" " if kind in BREAKS else sign for sign, kind in kinds if kind != "Cs").split())
