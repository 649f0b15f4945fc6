"""The words of a text, as search stores and compares them.

Words are compared without case. Chinese, Japanese and Korean are written without spaces, so such a text gives each character and
each pair of neighbours; a query of two characters or more gives only pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from tagger.annotation import Annotation
from tagger.asset import Context
from tagger.catalog.labels import folded

# tag: id of a term of the vocabulary · label: of a tag · text: alt text, caption, title · picture: read in the image
Kind = Literal["tag", "label", "text", "picture"]
Term = tuple[Kind, str]

LONGEST = 64  # characters; a longer word is no word
MOST = 400  # terms of one asset
WORD = re.compile(r"[^\W_]+")
UNSPACED = re.compile("([\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+)")
_STOP = "a an and are as at by for from in into is it its no of on or over that the this to under with"
STOP = frozenset(_STOP.split(" "))  # they are in every sentence


def words(text: str) -> list[str]:
    """What is stored of a text; each word once, in its order."""
    return list(dict.fromkeys(_words(text, singles=True)))


def query_words(text: str) -> list[str]:
    """What a query asks for."""
    return list(dict.fromkeys(_words(text, singles=False)))


def _words(text: str, *, singles: bool) -> Iterable[str]:
    for word in WORD.findall(folded(text)):
        for part in UNSPACED.split(word):
            if not part:
                continue
            if not UNSPACED.fullmatch(part):
                if part not in STOP and len(part) <= LONGEST:
                    yield part
                continue
            if singles or len(part) == 1:
                yield from part
            yield from (part[n : n + 2] for n in range(len(part) - 1))


def terms_of(annotations: Iterable[Annotation], context: Context) -> list[Term]:
    """The terms by which an asset is found. What was suppressed is no text of the asset."""
    found: dict[Term, None] = {}
    for annotation in annotations:
        for kind, text in _texts(annotation):
            found.update(dict.fromkeys([(kind, text)] if kind == "tag" else [(kind, word) for word in words(text)]))
    for given in (context.title, context.caption):
        found.update(dict.fromkeys(("text", word) for word in words(given or "")))
    return list(found)[:MOST]


def _texts(annotation: Annotation) -> Iterable[Term]:
    if annotation.text:
        yield "picture", annotation.text
    if annotation.verdict.action == "suppress" or not annotation.value:
        return
    if isinstance(annotation.value, str):
        yield "text", annotation.value
        return
    for tag in annotation.value:
        yield "tag", tag.id
        yield "label", tag.label
