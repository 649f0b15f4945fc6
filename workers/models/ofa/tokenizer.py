"""OFA's byte-level BPE (BART's), with the picture codes and coordinate bins that follow it in the embedding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from workers.models.ofa.config import invalid

VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
SPECIALS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
EXTRA = tuple(f"<code_{i}>" for i in range(8192)) + tuple(f"<bin_{i}>" for i in range(1000))


class OfaTokenizer:
    """Text ↔ ids. Thread-safe. Raises ModelDirectoryInvalid for a vocabulary that is not OFA's."""

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], *, vocab_size: int) -> None:
        for token, index in SPECIALS.items():
            if vocabulary.get(token) != index:
                raise invalid(VOCABULARY_FILE, token, f"is {vocabulary.get(token)}, not {index}", "Download the file again.")
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise invalid(VOCABULARY_FILE, "ids", "are not 0…n-1, each once", "Download the file again.")
        if len(vocabulary) + len(EXTRA) != vocab_size:
            raise invalid(
                VOCABULARY_FILE,
                "entries",
                f"{len(vocabulary)} and {len(EXTRA)} codes and bins are not the vocab_size {vocab_size} of config.json",
                "Use the vocabulary of the same model.",
            )
        try:
            self._bpe = Tokenizer(models.BPE(vocab=dict(vocabulary), merges=list(merges)))
        except Exception as error:  # `tokenizers` raises a plain Exception if a merge names a token outside the vocabulary
            raise invalid(MERGES_FILE, "merges", str(error), "Use the merges of the same model.") from error
        self._bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._bpe.decoder = decoders.ByteLevel()
        self._base = len(vocabulary)
        self._skipped = frozenset(vocabulary[t] for t in (*SPECIALS, "<mask>") if t in vocabulary)

    def encode(self, text: str) -> list[int]:
        """Ids of the text alone, no bos or eos. Text that spells a special token is text."""
        ids: list[int] = self._bpe.encode(text).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids, without special tokens. A code or a bin is written as its name between spaces."""
        parts: list[str] = []
        run: list[int] = []
        for index in (*ids, None):
            if index is not None and index in self._skipped:
                continue
            if index is not None and index < self._base:
                run.append(index)
                continue
            if run:
                parts.append(self._bpe.decode(run, skip_special_tokens=False))
                run = []
            if index is not None:
                parts.append(EXTRA[index - self._base])
        return " ".join(parts)


def parse_merges(text: str) -> list[tuple[str, str]]:
    """`merges.txt` → pairs in order of rank. The first line may be a comment with the version."""
    lines = text.splitlines()
    if lines and lines[0].startswith("#version"):
        lines = lines[1:]
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"(\S+) (\S+)", line)
        if match is None:
            raise invalid(MERGES_FILE, f"merge {number}", f"{line!r} is not two tokens", "Download the file again.")
        pairs.append((match[1], match[2]))
    return pairs
