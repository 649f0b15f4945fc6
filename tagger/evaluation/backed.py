"""Whether a text names what people named: its content words against those of the references. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tagger.evaluation.cider import words

EMPTY_WORDS = """a an the and or of in on at by with from to for is are be as its it his her their this that these those over
under above below behind beside near against up down into one two three four five some many several"""
EMPTY = frozenset(EMPTY_WORDS.split())


def content_words(texts: Iterable[str]) -> frozenset[str]:
    """Words that name something, in the singular."""
    return frozenset(_singular(word) for text in texts for word in words(text) if word not in EMPTY)


def coverage(captions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> float | None:
    """Mean share of the first reference's content words that the caption has; an image without a caption counts 0."""
    shares = [
        _share(content_words([captions.get(image, "")]), content_words(some[:1])) for image, some in references.items() if some
    ]
    return sum(shares) / len(shares) if shares else None


def is_backed(text: str, references: Iterable[str], tags: Iterable[str]) -> bool:
    """Whether any content word of a text is in what people wrote of the image, or in its tags."""
    return bool(content_words([text]) & (content_words(references) | content_words(tag.replace("_", " ") for tag in tags)))


def _share(found: frozenset[str], wanted: frozenset[str]) -> float:
    return len(found & wanted) / len(wanted) if wanted else 0.0


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
