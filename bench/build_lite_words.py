"""Builds the word files of the lite models: `thesaurus.npz` from WordNet's noun files, `words.npz` with MiniLM.

    python bench/build_lite_words.py FOLDER    FOLDER: data.noun and index.noun of WordNet 3.0 (Debian: wordnet-base)

Thesaurus: for every lower-case noun, what it says of the classes and of the concepts of `rules.json`.
- Of the classes by synset, so that no homonym misleads: units are the synsets above or at a class or a COCO object. A noun
  means a unit (1.0), a kind of it (at most 0.4 a step, and 1.5 over the number of its kinds), or a part of it (0.5).
- Of the concepts by their words: the same meaning, a wider one as above, a narrower one (0.9), the whole it is part of (0.5).
The second and third sense of a noun count a half and a quarter, abstract senses half again; so do those of a concept's word.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workers.models.lite.files import DATA, table
from workers.models.lite.lexicon import OBJECT_SENSES, object_words
from workers.models.lite.text import TextEncoder

STEPS, STEP_MOST, STEP_SHARE = 3, 0.4, 1.5
NARROWER, WHOLE, LEAST, MOST = 0.9, 0.5, 0.03, 64
CONCRETE = frozenset({5, 6, 8, 11, 13, 14, 15, 17, 18, 19, 20, 27, 28})  # lexicographer files: animal, artifact, food, object…
Entries = dict[str, dict[int, float]]
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


def above(start: int, nets: Mapping[int, Synset]) -> set[int]:
    """A synset and everything wider."""
    found, todo = set(), [start]
    while todo:
        synset = todo.pop()
        if synset not in found:
            found.add(synset)
            todo.extend(nets[synset].wider)
    return found


def resolve(words: Sequence[str], nets: Mapping[int, Synset], index: Mapping[str, list[int]]) -> set[int]:
    """The synset that a class's words, narrowest first, come from, and everything wider; empty where WordNet has none."""
    known = set(words)
    best: tuple[float, int] | None = None
    for place, word in enumerate(words[:4]):
        for number in index.get(word, ()):
            own = {w.casefold() for w in nets[number].words}
            wider = {w.casefold() for n in above(number, nets) for w in nets[n].words}
            score = 2.0 * len(own & known) + len(wider & known) - 3.0 * place
            if best is None or score > best[0]:
                best = (score, number)
    return above(best[1], nets) if best is not None else set()


def ancestors(start: int, nets: Mapping[int, Synset]) -> dict[int, float]:
    """Synsets up to three steps wider → P(start | wider)."""
    found, level = {start: 1.0}, {start: 1.0}
    for _ in range(STEPS):
        upper: dict[int, float] = {}
        for synset, weight in level.items():
            for up in nets[synset].wider:
                upper[up] = max(upper.get(up, 0.0), weight * min(STEP_MOST, STEP_SHARE / max(1, len(nets[up].narrower))))
        for up, weight in upper.items():
            found[up] = max(found.get(up, 0.0), weight)
        level = upper
    for whole in nets[start].wholes:
        found[whole] = max(found.get(whole, 0.0), WHOLE)
    return found


def concepts_near(
    start: int, nets: Mapping[int, Synset], known: Mapping[str, int], meanings: Mapping[str, Mapping[int, float]]
) -> dict[int, float]:
    """Known concepts in a synset's neighbourhood → P(synset | concept)."""
    near = ancestors(start, nets)
    todo, seen = list(nets[start].narrower), {start}
    while todo and len(seen) < 4000:
        synset = todo.pop()
        if synset not in seen:
            seen.add(synset)
            near[synset] = max(near.get(synset, 0.0), NARROWER)
            todo.extend(nets[synset].narrower)
    found: dict[int, float] = {}
    for synset, weight in near.items():
        for word in nets[synset].words:
            row = known.get(word.casefold())
            if row is not None:
                found[row] = max(found.get(row, 0.0), weight * meanings.get(word.casefold(), {}).get(synset, RARE))
    return found


def thesaurus(
    folder: Path, sources: Sequence[Sequence[str]], concepts: Mapping[str, int]
) -> tuple[Entries, npt.NDArray[np.bool_]]:
    """Noun → {column: weight}, columns being units and then concepts; and which sources [units, 1080] lie under each unit."""
    nets, index = synsets(folder / "data.noun"), senses(folder / "index.noun")
    closures = [resolve(words, nets, index) for words in sources]
    units = {synset: i for i, synset in enumerate(sorted(set().union(*closures)))}
    member = np.zeros((len(units), len(sources)), bool)
    for column, closure in enumerate(closures):
        member[[units[s] for s in closure], column] = True
    meanings = {lemma: shares(numbers, nets) for lemma, numbers in index.items()}
    named = {w for s in nets.values() for w in s.words}
    columns = {c: len(units) + i for c, i in concepts.items()}
    entries: Entries = {}
    cache: dict[int, dict[int, float]] = {}
    for lemma in index:
        if lemma not in named or not lemma.replace(" ", "").replace("-", "").replace("'", "").isalpha() or len(lemma.split()) > 3:
            continue
        entry: dict[int, float] = defaultdict(float)
        for number, share in list(meanings[lemma].items())[: len(SENSES)]:
            if number not in cache:
                of_units = {units[s]: w for s, w in ancestors(number, nets).items() if s in units}
                cache[number] = of_units | concepts_near(number, nets, columns, meanings)
            for column, weight in cache[number].items():
                entry[column] = max(entry[column], weight * share)
        kept = sorted(((w, c) for c, w in entry.items() if w >= LEAST), key=lambda pair: (-pair[0], pair[1]))[:MOST]
        if kept:
            entries[lemma.casefold()] = {c: w for w, c in kept}
    return entries, member


def main() -> None:
    known, rules = table("imagenet_classes.json"), table("rules.json")
    concepts = sorted(
        {c for part in ("class", "coco") for row in rules[part].values() for c in row} | set(rules["more_concepts"])
    )
    texts = {w for words in known["words"] for w in words} | set(known["coco"]) | set(concepts)
    texts |= {w for words in OBJECT_SENSES.values() for w in words}
    ordered = sorted(texts)
    vectors = TextEncoder().vectors(ordered).astype(np.float16)
    np.savez(DATA / "words.npz", texts=np.array(ordered), vectors=vectors)
    if len(sys.argv) < 2:
        return
    sources = [*known["words"], *(object_words(name, known["words"]) for name in known["coco"])]
    entries, member = thesaurus(Path(sys.argv[1]), sources, {c: i for i, c in enumerate(concepts)})
    lemmas = sorted(entries)
    np.savez_compressed(
        DATA / "thesaurus.npz",
        lemmas=np.frombuffer("\n".join(lemmas).encode(), np.uint8),
        counts=np.array([len(entries[k]) for k in lemmas], np.uint8),
        columns=np.array([c for k in lemmas for c in entries[k]], np.uint16),
        weights=np.array([round(w * 255) for k in lemmas for w in entries[k].values()], np.uint8),
        member=np.packbits(member, axis=1),
    )
    print(
        f"{len(ordered)} texts, {len(lemmas)} nouns, {len(member)} units, "
        f"{int((~member.any(axis=0)).sum())} sources without a synset"
    )


if __name__ == "__main__":
    main()
