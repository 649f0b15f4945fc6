"""Vocabulary: the terms that a site tags with. SKOS underneath: term = Concept, label = prefLabel, synonym = altLabel.

Pure. Reading and writing files is in `vocabulary_file.py`, RDF in `skos.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

from tagger.annotation import Tag
from tagger.catalog.labels import folded
from tagger.locales import pick, pick_or_any
from tagger.prediction import TermScore

DEFAULT_PROMPT = "A photo of {label}."
DEFAULT_THRESHOLD = 0.5
JOINERS = "\u200c\u200d"
BLANKS = " \u3000"  # that people type: the blank, and the wide one of Chinese and Japanese
UNSEEN = ("Cf", "Cc", "Zl", "Zp", "Zs")  # Unicode categories


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The least probability at which a term is offered; a model may have its own."""

    default: float | None = None
    by_model: Mapping[str, float] = field(default_factory=dict)  # "lite" fits lite@… and lite-tags@…

    def for_model(self, model: str) -> float | None:
        name = model.partition("@")[0]
        fitting = [key for key in self.by_model if name == key or name.startswith(key + "-")]
        return self.by_model[max(fitting, key=len)] if fitting else self.default


@dataclass(frozen=True, kw_only=True)
class Term:
    id: str  # never changes, never reused
    labels: Mapping[str, str]  # locale → the one label
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    same_as: tuple[str, ...] = ()  # "wd:Q146", "medtop:15000000", or a full URI
    prompts: tuple[str, ...] = ()  # texts for the embedding model, instead of the category's
    threshold: Threshold | None = None

    def label(self, locale: str) -> str:
        """The label for `locale`. If there is none, a label of another language (see `check`)."""
        return pick_or_any(self.labels, locale) or self.id


@dataclass(frozen=True, kw_only=True)
class Category:
    id: str
    terms: tuple[Term, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    prompt: str = DEFAULT_PROMPT
    threshold: Threshold = field(default_factory=Threshold)
    max: int | None = None  # most tags of this category on one image

    def prompts_of(self, term: Term) -> tuple[str, ...]:
        """The English texts to embed for a term."""
        return term.prompts or (self.prompt.replace("{label}", term.label("en")),)


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A term that is never offered: everywhere, or on the named sites."""

    term: str
    sites: tuple[str, ...] = ()

    def holds(self, site_id: str | None) -> bool:
        return not self.sites or site_id in self.sites


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    name: str
    version: int
    categories: tuple[Category, ...]
    deny: tuple[Denial, ...] = ()

    @cached_property
    def _index(self) -> Mapping[str, tuple[int, int]]:
        return {t.id: (c, n) for c, category in enumerate(self.categories) for n, t in enumerate(category.terms)}

    def __iter__(self) -> Iterator[tuple[Category, Term]]:
        return ((category, term) for category in self.categories for term in category.terms)

    def __len__(self) -> int:
        return len(self._index)

    def find(self, term_id: str) -> tuple[Category, Term] | None:
        place = self._index.get(term_id)
        return (self.categories[place[0]], self.categories[place[0]].terms[place[1]]) if place else None

    def has_label(self, term_id: str, locale: str) -> bool:
        """Whether the term has a label in the language of `locale`."""
        term = self.find(term_id)
        return term is not None and pick(term[1].labels, locale) is not None

    def prompts(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """(category id, term id) → the texts to embed for it."""
        return {(c.id, t.id): c.prompts_of(t) for c, t in self}

    def denied(self, site_id: str | None, more: Collection[str] = ()) -> frozenset[str]:
        return frozenset(more) | {d.term for d in self.deny if d.holds(site_id)}

    @cached_property
    def _names(self) -> dict[str, frozenset[str]]:
        return {}

    def names(self, locale: str) -> frozenset[str]:
        """Labels whose spelling the text rules keep as it is, such as `iPhone` or `Eiffel Tower`."""
        if locale not in self._names:  # asked for every image
            labels = (pick(t.labels, locale) for _, t in self)
            self._names[locale] = frozenset(label for label in labels if label and label != label.lower())
        return self._names[locale]

    def threshold_of(self, category: Category, term: Term, model: str, overrides: Mapping[str, float]) -> float:
        """The threshold of the term, else the profile's for the category, else the category's, else 0.5."""
        own = term.threshold.for_model(model) if term.threshold else None
        if own is not None:
            return own
        if category.id in overrides:
            return overrides[category.id]
        general = category.threshold.for_model(model)
        return DEFAULT_THRESHOLD if general is None else general

    @cached_property
    def _thresholds(self) -> dict[tuple[str, frozenset[tuple[str, float]]], tuple[Mapping[tuple[str, str], float], float]]:
        return {}

    def _least_scores(self, model: str, overrides: Mapping[str, float]) -> tuple[Mapping[tuple[str, str], float], float]:
        """(category, term) → the least score at which it is offered; and the least of all. Once for each model and profile."""
        key = model, frozenset(overrides.items())
        if key not in self._thresholds:
            entries = filter(None, (self.find(term_id) for term_id in self._index))
            least = {(c.id, t.id): self.threshold_of(c, t, model, overrides) for c, t in entries}
            self._thresholds[key] = least, min(least.values(), default=0.0)
        return self._thresholds[key]

    def select(
        self,
        scores: Sequence[TermScore],
        *,
        site_id: str | None = None,
        locale: str = "en",
        thresholds: Mapping[str, float] | None = None,
        limits: Mapping[str, int] | None = None,
        deny: Collection[str] = (),
        max_tags: int | None = None,
    ) -> tuple[Tag, ...]:
        """The tags to offer, the most probable first; equal scores keep the file's order.

        `thresholds` and `limits` (by category id), `deny` and
        `max_tags` are the profile's. Scores of unknown terms are ignored.
        """
        denied = self.denied(site_id, deny)
        models = set(map(attrgetter("model"), scores))
        by_model = {model: self._least_scores(model, thresholds or {}) for model in models}
        lowest = min((of_model for _, of_model in by_model.values()), default=0.0)
        best: dict[str, float] = {}
        for category, term, score, model in scores:
            if score < lowest:
                continue  # most of them: an image has few of all terms
            least = by_model[model][0].get((category, term))
            if least is not None and score >= least and score > best.get(term, -1.0) and term not in denied:
                best[term] = score
        ranked = sorted(best.items(), key=lambda item: (-item[1], self._index[item[0]]))
        return self._cut(ranked, locale, limits or {}, max_tags)

    def _cut(
        self, ranked: Sequence[tuple[str, float]], locale: str, limits: Mapping[str, int], max_tags: int | None
    ) -> tuple[Tag, ...]:
        tags: list[Tag] = []
        used: dict[str, int] = {}
        for term_id, score in ranked:
            place = self._index[term_id]
            category = self.categories[place[0]]
            term = category.terms[place[1]]
            most = limits.get(category.id, category.max)
            count = used.get(category.id, 0)
            if most is not None and count >= most:
                continue
            used[category.id] = count + 1
            tags.append(Tag(id=term_id, label=term.label(locale), score=score, category=category.id))
        return tuple(tags[:max_tags])


@dataclass(frozen=True, kw_only=True)
class Diff:
    """The changes of the terms between two versions. Tags in a CMS carry ids, so a removed id orphans them."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]  # term id → the parts that changed
    warnings: tuple[str, ...]


def diff_vocabularies(old: Vocabulary, new: Vocabulary) -> Diff:
    before = {t.id: (c, t) for c, t in old}
    after = {t.id: (c, t) for c, t in new}
    removed = tuple(i for i in before if i not in after)
    changed = {i: parts for i in before if i in after and (parts := _changes(before[i], after[i]))}
    warnings = [f"The id `{i}` vanished. Tags already written with it stay in the CMS; ids should never go." for i in removed]
    warnings += [
        f"The id `{i}` has another English label: `{before[i][1].label('en')}` became `{after[i][1].label('en')}`. "
        "An id must keep its meaning."
        for i, parts in changed.items()
        if "labels" in parts and before[i][1].label("en") != after[i][1].label("en")
    ]
    if old.name == new.name and new.version <= old.version and (removed or changed or len(after) != len(before)):
        warnings.append(f"The terms changed but the version did not rise ({old.version} → {new.version}).")
    return Diff(added=tuple(i for i in after if i not in before), removed=removed, changed=changed, warnings=tuple(warnings))


def _changes(old: tuple[Category, Term], new: tuple[Category, Term]) -> tuple[str, ...]:
    parts = [name for name in ("labels", "synonyms", "same_as", "threshold") if getattr(old[1], name) != getattr(new[1], name)]
    if old[0].prompts_of(old[1]) != new[0].prompts_of(new[1]):
        parts.append("prompts")
    if old[0].id != new[0].id:
        parts.append("category")
    return tuple(parts)


def check_vocabulary(
    vocabulary: Vocabulary,
    *,
    locales: Sequence[str] = (),
    reach: Callable[[Category, Term], str | None] | None = None,
) -> tuple[str, ...]:
    """Warnings about a vocabulary that is valid. `reach` says why the models cannot find a term, or None when they can."""
    warnings: list[str] = []
    for category, term in vocabulary:
        missing = [locale for locale in locales if pick(term.labels, locale) is None]
        if missing:
            warnings.append(f"`{term.id}` has no label for {', '.join(missing)}; another language's is shown.")
        reason = reach(category, term) if reach else None
        if reason:
            warnings.append(f"`{term.id}` will never be offered: {reason}")
    unknown = [d.term for d in vocabulary.deny if vocabulary.find(d.term) is None]
    return (
        *warnings,
        *_unseen(vocabulary),
        *_clashes(vocabulary),
        *(f"`deny` names `{i}`, which is no term of this vocabulary." for i in unknown),
    )


def _unseen(vocabulary: Vocabulary) -> Iterator[str]:
    """Labels with characters that no screen shows, or shows as a plain blank, as a copied table or web page brings them along.
    Persian and Hindi need joiners.
    """
    for _, term in vocabulary:
        for locale, label in term.labels.items():
            shown = "".join(
                f"\\u{ord(c):04x}" if unicodedata.category(c) in UNSEEN and c not in JOINERS + BLANKS else c for c in label
            )
            if shown != label:
                yield f"The label `{shown}` ({locale}) of `{term.id}` holds an invisible character; to a CMS it is another word."


def _clashes(vocabulary: Vocabulary) -> Iterator[str]:
    """Words that belong to two terms, regardless of case and Unicode form."""
    labels: dict[tuple[str, str], tuple[str, str]] = {}
    for _, term in vocabulary:
        for locale, label in term.labels.items():
            other, as_written = labels.setdefault((locale, folded(label)), (term.id, label))
            if other != term.id:
                twin = "" if as_written == label else f", written as {as_written!a} and {label!a}"
                yield f"`{other}` and `{term.id}` share the label `{label}` ({locale}){twin}; editors cannot tell them apart."
    synonyms: dict[tuple[str, str], str] = {}
    for _, term in vocabulary:
        for locale, words in term.synonyms.items():
            for word in words:
                key = locale, folded(word)
                owner, _ = labels.get(key, (term.id, ""))
                if owner != term.id:
                    yield f"The synonym `{word}` ({locale}) of `{term.id}` is the label of `{owner}`; a search finds both."
                elif (other := synonyms.setdefault(key, term.id)) != term.id:
                    yield f"`{other}` and `{term.id}` share the synonym `{word}` ({locale}); a search finds both."
