"""The text rules. Three outcomes, never confused: a text; `""` (decorative, declared or certain); None (no proposal).

Pure: English and Chinese (Simplified and Traditional) have their own word lists; other locales get the rules that need none.
"""

from tagger.alttext.rules import CLEANERS, REASONS, RULES, Rule, alt_text, caption, clean, title
from tagger.alttext.types import Cleaned, Facts, Finding, TextField, TextRules

__all__ = [
    "CLEANERS",
    "REASONS",
    "RULES",
    "Cleaned",
    "Facts",
    "Finding",
    "Rule",
    "TextField",
    "TextRules",
    "alt_text",
    "caption",
    "clean",
    "title",
]
