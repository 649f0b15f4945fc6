"""The text rules. Three outcomes, never confused: a text; `""` (decorative, declared or certain); None (no proposal).

Pure: English and Chinese (Simplified and Traditional) have their own word lists; other locales get the rules that need none.
"""
