"""Locales (BCP 47), as far as text rules and labels need them: language, script, and what may stand in for what."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

OLD_CODES = {"he": "iw", "id": "in", "yi": "ji", "fil": "tl", "ro": "mo"}
# Languages with two codes: a reader of the first takes a text of the others as theirs, the best first. Norwegian is written
# in two forms, and `no` says neither; the rest are old codes beside new ones (ISO 639, IANA).
KIN: Mapping[str, tuple[str, ...]] = {
    "no": ("nb", "nn"),
    "nb": ("no", "nn"),
    "nn": ("no", "nb"),
    **{new: (old,) for new, old in OLD_CODES.items()},
    **{old: (new,) for new, old in OLD_CODES.items()},
}
# A Chinese locale without a script means the script of its region; a bare `zh` means Simplified.
TRADITIONAL_REGIONS = frozenset({"TW", "HK", "MO"})

LONGEST = 35  # characters, as BCP 47 recommends and the ledger's columns hold
TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE | re.ASCII)


def parse(text: str) -> str:
    """The one way in which a locale is read, whoever gives it: `pt_BR`, `PT-br` → `pt-BR`; `zh-hans` → `zh-Hans`.

    Errors: ValueError for what is no BCP 47 tag, such as `english`.
    """
    plain = text.strip().replace("_", "-")
    if len(plain) > LONGEST or not TAG.fullmatch(plain):
        raise ValueError(f"{text[:LONGEST]!r} is not a BCP 47 language tag such as en, pt-BR or zh-Hans")
    first, *rest = plain.split("-")
    return "-".join([first.lower(), *(_subtag(part) for part in rest)])


def _subtag(part: str) -> str:
    """A script has four letters, a region two."""
    if len(part) == 4 and part.isalpha():
        return part.title()
    return part.upper() if len(part) == 2 else part.lower()


@functools.lru_cache(maxsize=1024)  # asked by every text rule, for every image
def language(locale: str) -> str:
    """`en-GB` → `en`; `zh-Hans-CN` → `zh`."""
    return locale.replace("_", "-").split("-")[0].lower()


def chinese_script(locale: str) -> str | None:
    """`Hans` or `Hant` for a Chinese locale, else None."""
    if language(locale) != "zh":
        return None
    parts = locale.replace("_", "-").split("-")[1:]
    if any(p.lower() == "hant" for p in parts):
        return "Hant"
    if any(p.lower() == "hans" for p in parts):
        return "Hans"
    return "Hant" if any(p.upper() in TRADITIONAL_REGIONS for p in parts) else "Hans"


@functools.lru_cache(maxsize=1024)  # asked for each label of a vocabulary, for every image
def stand_ins(locale: str) -> tuple[str, ...]:
    """The locales whose text a reader of `locale` takes as theirs, the best first."""
    parts = locale.replace("_", "-").split("-")
    chain = ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]
    script = chinese_script(locale)
    if script is None:
        kin = KIN.get(parts[0].lower(), ())
        return tuple(chain + ["-".join([other, *parts[1:n]]) for other in kin for n in range(len(parts), 0, -1)])
    chain = [c for c in chain if c.lower() != "zh"]
    own = f"zh-{script}"
    return tuple(dict.fromkeys([*chain, own, *(("zh", "zh-CN") if script == "Hans" else ("zh-TW", "zh-HK"))]))


def pick(texts: Mapping[str, T], locale: str) -> T | None:
    """The entry for `locale` or one that stands in for it; None where the language is missing altogether."""
    best = stand_ins(locale)[0]
    if best in texts:
        return texts[best]
    lowered = {key.replace("_", "-").lower(): value for key, value in texts.items()}
    for candidate in stand_ins(locale):
        if candidate.lower() in lowered:
            return lowered[candidate.lower()]
    return None


def pick_or_any(texts: Mapping[str, T], locale: str) -> T | None:
    """As `pick`, then another script or region of the language, then English, then whatever there is."""
    text = pick(texts, locale)
    if text is not None:
        return text
    own = (language(locale), *KIN.get(language(locale), ()))
    kin = [value for code in own for key, value in texts.items() if language(key) == code]
    rest = [*kin, *(v for k, v in texts.items() if language(k) == "en"), *texts.values()]
    return rest[0] if rest else None
