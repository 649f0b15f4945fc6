"""What the classifier's and the detector's outputs mean in words: WordNet words of each class, and rules to concepts.

A source is one thing that a model can say: rows 0..999 are ImageNet classes, rows 1000..1079 COCO objects. A rule gives,
for a source, the probability that a concept is on the picture. A rule of a narrower word beats one of a broader word.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.lite.files import DATA, table
from workers.models.lite.rules import class_rules

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    classes: tuple[str, ...]  # 1000 ImageNet names, in the order of the logits
    objects: tuple[str, ...]  # 80 COCO names, in the order of the scores
    words: tuple[tuple[str, ...], ...]  # of each source, narrowest first as a rule
    concepts: tuple[str, ...]
    rules: Floats  # [1080, concepts]: P(concept | source)
    ruled: npt.NDArray[np.bool_]  # [1080, concepts]: a rule speaks of the pair, if only to say 0
    by_name_only: npt.NDArray[np.bool_]  # [concepts]: homonyms, reached by their own name and no near-synonym
    complete: npt.NDArray[np.bool_]  # [concepts]: rules cover all that the models can say of it
    texts: tuple[str, ...]  # every word and concept
    vectors: Floats  # [texts, 384], L2-normalised, of MiniLM

    @functools.cached_property
    def text_index(self) -> Mapping[str, int]:
        return {text: i for i, text in enumerate(self.texts)}

    @functools.cached_property
    def concept_index(self) -> Mapping[str, int]:
        return {concept: i for i, concept in enumerate(self.concepts)}

    @functools.cached_property
    def class_index(self) -> Mapping[str, int]:
        return {name: i for i, name in reversed(list(enumerate(self.classes)))}

    @functools.cached_property
    def object_index(self) -> Mapping[str, int]:
        return {name: i for i, name in enumerate(self.objects)}

    @functools.cached_property
    def word_rows(self) -> tuple[npt.NDArray[np.intp], ...]:
        """Of each source, the rows of `vectors` of its words."""
        return tuple(np.array([self.text_index[w] for w in words], np.intp) for words in self.words)

    @functools.cached_property
    def sources_of(self) -> Mapping[str, npt.NDArray[np.intp]]:
        """Word → the sources that it names."""
        sources: dict[str, list[int]] = {}
        for row, words in enumerate(self.words):
            for word in words:
                sources.setdefault(word, []).append(row)
        return {word: np.array(rows, np.intp) for word, rows in sources.items()}

    @functools.cached_property
    def concept_rows(self) -> npt.NDArray[np.intp]:
        """Of each concept, its row of `vectors`."""
        return np.array([self.text_index[c] for c in self.concepts], np.intp)

    @functools.cached_property
    def class_vectors(self) -> Floats:
        """[1000, 384]: the text vector of each class, its name's. ConSE mixes these."""
        return self.vectors[[self.text_index[self.words[i][0]] for i in range(len(self.classes))]]


@functools.cache
def lexicon() -> Lexicon:
    """Read once per process, in about a tenth of a second."""
    names, rules = table("imagenet_classes.json"), table("rules.json")
    ignored = frozenset(rules["ignored_words"])
    with np.load(DATA / "words.npz", allow_pickle=False) as stored:
        texts = tuple(str(t) for t in stored["texts"])
        vectors = stored["vectors"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = tuple(tuple(w for i, w in enumerate(words) if i == 0 or w not in ignored) for words in names["words"])
    concepts = tuple(
        sorted({c for part in ("class", "coco") for row in rules[part].values() for c in row} | set(rules["more_concepts"]))
    )
    column = {c: i for i, c in enumerate(concepts)}
    matrix = np.full((len(classes) + len(names["coco"]), len(concepts)), np.nan, np.float32)
    for row, words in enumerate(names["words"]):
        _write(matrix[row], {c: i.weight for c, i in class_rules().implied(words).items()}, column)
    for row, name in enumerate(names["coco"], start=len(classes)):
        _write(matrix[row], rules["coco"].get(name, {}), column)
    return Lexicon(
        classes=tuple(names["names"]),
        objects=tuple(names["coco"]),
        words=(*classes, *(object_words(name, classes) for name in names["coco"])),
        concepts=concepts,
        rules=np.nan_to_num(matrix),
        ruled=~np.isnan(matrix),
        by_name_only=np.isin(concepts, rules["by_name_only"]),
        complete=np.isin(concepts, rules["complete"]),
        texts=texts,
        vectors=vectors,
    )


def _write(row: Floats, rule: Mapping[str, float], column: Mapping[str, int]) -> None:
    for concept, weight in rule.items():
        row[column[concept]] = weight


def object_words(name: str, classes: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """A COCO name, and the words that every ImageNet class of that name shares: "dog" → dog, canine, mammal…"""
    if name in OBJECT_SENSES:
        return OBJECT_SENSES[name]
    same = [words for words in classes if name in words]
    shared = [w for w in same[0] if all(w in words for words in same)] if same else []
    return tuple(dict.fromkeys((name, *shared)))


# COCO names whose ImageNet classes mean another thing, or a narrower one.
OBJECT_SENSES: Mapping[str, tuple[str, ...]] = {
    "kite": ("plaything", "toy"),
    "mouse": ("computer mouse", "peripheral device", "electronic device"),
    "keyboard": ("computer keyboard", "keypad", "peripheral device"),
    "cup": ("cup", "drinking vessel"),
    "tie": ("necktie", "neckwear", "garment", "clothing"),
    "tv": ("tv", "television"),
    "couch": ("couch", "sofa", "seat", "furniture"),
    "cell phone": ("cell phone", "mobile phone", "cellular phone", "telephone"),
    "donut": ("donut", "dessert", "baked goods", "food"),
    "cake": ("cake", "dessert", "baked goods", "food"),
    "carrot": ("carrot", "root vegetable", "vegetable", "food"),
    "cow": ("cow", "cattle", "ruminant", "ungulate", "mammal", "animal"),
    "giraffe": ("giraffe", "ungulate", "mammal", "animal"),
    "horse": ("horse", "equine", "ungulate", "mammal", "animal"),
    "sheep": ("sheep", "ruminant", "ungulate", "mammal", "animal"),
    "wine glass": ("wine glass", "goblet", "drinking glass"),
    "tennis racket": ("tennis racket", "racket", "sports equipment"),
    "sports ball": ("sports ball", "ball", "game equipment"),
    "skis": ("skis", "ski", "sports equipment"),
    "suitcase": ("suitcase", "bag"),
    "handbag": ("handbag", "purse", "bag"),
    "toilet": ("toilet", "toilet seat"),
    "hair drier": ("hair drier", "hair dryer", "home appliance"),
    "stop sign": ("stop sign", "street sign", "sign"),
}
