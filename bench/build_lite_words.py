"""Builds the word files of the lite models: `thesaurus.npz` from WordNet's noun files, `words.npz` with MiniLM.

    python bench/build_lite_words.py FOLDER    FOLDER: data.noun and index.noun of WordNet 3.0 (Debian: wordnet-base)

Thesaurus: for every lower-case noun, the texts that the lite models know and that mean the same (1.0), are part of what it
means (narrower words, 0.9), mean something wider (0.35, 0.2, 0.1 by distance), or are the whole that it is part of (0.5).
Of a noun as of a known text, the second and third sense count a half and a quarter, abstract senses half again.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workers.models.lite.files import DATA, table
from workers.models.lite.lexicon import OBJECT_SENSES
from workers.models.lite.text import TextEncoder

WIDER = (1.0, 0.35, 0.2, 0.1)  # by steps up; 0 steps is the same meaning
NARROWER, WHOLE, LEAST, MOST = 0.9, 0.5, 0.08, 64
CONCRETE = frozenset({5, 6, 8, 11, 13, 14, 15, 17, 18, 19, 20, 27, 28})  # lexicographer files: animal, artifact, food, object…
SENSES, RARE = (1.0, 0.5, 0.25), 0.1


@dataclass(frozen=True, kw_only=True)
class Synset:
    words: tuple[str, ...]
    file: int
    wider: tuple[int, ...]
    narrower: tuple[int, ...]
    wholes: tuple[int, ...]


def synsets(path: Path) -> dict[int, Synset]:
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(" "):
            continue
        parts = line.split(" | ")[0].split()
        count = int(parts[3], 16)
        words = tuple(parts[4 + 2 * i].replace("_", " ") for i in range(count))
        start = 5 + 2 * count
        links = [
            (parts[start + 4 * i], int(parts[start + 4 * i + 1]), parts[start + 4 * i + 2]) for i in range(int(parts[start - 1]))
        ]
        of = {k: tuple(n for sign, n, pos in links if sign in k and pos == "n") for k in (("@", "@i"), ("~", "~i"), ("#p", "#s"))}
        wider, narrower, wholes = of.values()
        found[int(parts[0])] = Synset(words=words, file=int(parts[1]), wider=wider, narrower=narrower, wholes=wholes)
    return found


def senses(path: Path) -> dict[str, list[int]]:
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith(" "):
            parts = line.split()
            found[parts[0].replace("_", " ")] = [int(n) for n in parts[-int(parts[2]) :]]
    return found


def shares(numbers: Sequence[int], nets: Mapping[int, Synset]) -> dict[int, float]:
    """How likely a noun means each of its synsets: concrete ones first, in WordNet's order of use."""
    ordered = sorted(numbers, key=lambda n: nets[n].file not in CONCRETE)
    return {
        n: (SENSES[i] if i < len(SENSES) else RARE) * (1.0 if nets[n].file in CONCRETE else 0.5) for i, n in enumerate(ordered)
    }


def related(
    start: int, nets: Mapping[int, Synset], known: Mapping[str, int], meanings: Mapping[str, Mapping[int, float]]
) -> dict[int, float]:
    """Known texts of a synset's neighbourhood → P(synset | text). "machine" is seldom a car, so it says little of one."""
    found: dict[int, float] = {}

    def note(synset: int, weight: float) -> None:
        for word in nets[synset].words:
            row = known.get(word.casefold())
            if row is not None:
                found[row] = max(found.get(row, 0.0), weight * meanings.get(word.casefold(), {}).get(synset, RARE))

    level = {start}
    for weight in WIDER:
        for synset in level:
            note(synset, weight)
        level = {up for synset in level for up in nets[synset].wider}
    for whole in nets[start].wholes:
        note(whole, WHOLE)
    todo, seen = list(nets[start].narrower), set()
    while todo and len(seen) < 4000:
        synset = todo.pop()
        if synset not in seen:
            seen.add(synset)
            note(synset, NARROWER)
            todo.extend(nets[synset].narrower)
    return found


def thesaurus(folder: Path, known: Mapping[str, int]) -> dict[str, dict[int, float]]:
    nets, index = synsets(folder / "data.noun"), senses(folder / "index.noun")
    entries: dict[str, dict[int, float]] = {}
    cache: dict[int, dict[int, float]] = {}
    named = {w for s in nets.values() for w in s.words}
    meanings = {lemma: shares(numbers, nets) for lemma, numbers in index.items()}
    for lemma in index:
        if lemma not in named or not lemma.replace(" ", "").replace("-", "").replace("'", "").isalpha() or len(lemma.split()) > 3:
            continue
        entry: dict[int, float] = defaultdict(float)
        for number, share in list(meanings[lemma].items())[: len(SENSES)]:
            if number not in cache:
                cache[number] = related(number, nets, known, meanings)
            for row, weight in cache[number].items():
                entry[row] = max(entry[row], weight * share)
        kept = sorted(((w, r) for r, w in entry.items() if w >= LEAST), key=lambda p: (-p[0], p[1]))[:MOST]
        if kept:
            entries[lemma.casefold()] = {r: w for w, r in kept}
    return entries


def main() -> None:
    known, rules = table("imagenet_classes.json"), table("rules.json")
    texts = {w for words in known["words"] for w in words} | set(known["coco"]) | set(rules["more_concepts"])
    texts |= {c for part in ("class", "coco") for row in rules[part].values() for c in row}
    texts |= {w for words in OBJECT_SENSES.values() for w in words}
    ordered = sorted(texts)
    vectors = TextEncoder().vectors(ordered).astype(np.float16)
    np.savez(DATA / "words.npz", texts=np.array(ordered), vectors=vectors)
    if len(sys.argv) < 2:
        return
    entries = thesaurus(Path(sys.argv[1]), {t: i for i, t in enumerate(ordered)})
    lemmas = sorted(entries)
    counts = np.array([len(entries[k]) for k in lemmas], np.uint8)
    rows = np.array([r for k in lemmas for r in entries[k]], np.uint16)
    weights = np.array([round(w * 255) for k in lemmas for w in entries[k].values()], np.uint8)
    joined = np.frombuffer("\n".join(lemmas).encode(), np.uint8)
    np.savez_compressed(DATA / "thesaurus.npz", lemmas=joined, counts=counts, rows=rows, weights=weights)
    print(f"{len(ordered)} texts, {len(lemmas)} nouns, {len(rows)} relations")


if __name__ == "__main__":
    main()
