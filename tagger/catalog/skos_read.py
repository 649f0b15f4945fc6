"""Reads a SKOS scheme as a vocabulary. A label that the vocabulary cannot hold is omitted or changed, with a warning."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from rdflib import DCTERMS, OWL, SKOS, BNode, Graph, Namespace
from rdflib import Literal as Text

from tagger.catalog import rdf_file
from tagger.catalog.rdf_file import Format
from tagger.catalog.skos_scheme import Node, chosen, members_of, parents_of, root_of
from tagger.catalog.skos_words import Warn, WordReader
from tagger.catalog.vocabulary import DEFAULT_PROMPT, Category, Denial, Term, Threshold, Vocabulary
from tagger.errors import VocabularyInvalid

TAGGER = Namespace("https://tagger.dev/ns#")
PREFIXES: Mapping[str, str] = {
    "wd": "http://www.wikidata.org/entity/",
    "medtop": "http://cv.iptc.org/newscodes/mediatopic/",
}
UNSORTED = "other"  # category of foreign concepts without a parent
NOT_ID = re.compile(r"[^a-z0-9_-]+")
MAX_ID = 63


def load(
    text: str | bytes,
    *,
    form: Format = "turtle",
    name: str | None = None,
    scheme: str | None = None,
    warn: Warn = lambda _: None,
) -> Vocabulary:
    """Read one concept scheme. It fetches nothing. `warn` is called for each label that is omitted or changed.

    `scheme`: the scheme to read if there are several: its URI, its notation, or the end of its URI. Errors: VocabularyInvalid.
    """
    graph = rdf_file.read(text, form)
    node = chosen(graph, scheme)
    try:
        return _Reader(graph, node, warn).vocabulary(name)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as err:
        raise VocabularyInvalid(
            "A property of the namespace https://tagger.dev/ns# has a value that cannot be read.",
            remedy="Remove these properties, or export the vocabulary again with `tagger vocabulary export`.",
        ) from err


class _Reader:
    def __init__(self, graph: Graph, scheme: Node, warn: Warn) -> None:
        self.graph = graph
        self.scheme = scheme
        self.warn = warn
        self.words = WordReader(graph, scheme, warn)
        self.terms: set[str] = set()  # ids that are taken
        self.groups: set[str] = set()

    def vocabulary(self, name: str | None) -> Vocabulary:
        categories = self.categories()
        if not categories:
            raise VocabularyInvalid(
                "The scheme has no concept with a skos:prefLabel.", remedy="Add skos:inScheme and skos:prefLabel."
            )
        deny = json.loads(str(self.one(self.scheme, TAGGER.deny) or "[]"))
        return Vocabulary(
            name=name or self.id_of(self.scheme, set()),
            version=self.number(self.scheme, TAGGER.version) or 1,
            categories=categories,
            deny=tuple(Denial(term=str(d["term"]), sites=tuple(map(str, d["sites"]))) for d in deny),
        )

    def categories(self) -> tuple[Category, ...]:
        members = {n for n in members_of(self.graph, self.scheme) if self.is_current(n) and self.is_told(n)}
        parents = {n: parents_of(self.graph, n, members) for n in members}
        inner = {parent for some in parents.values() for parent in some}
        tops = [n for n in members if not parents[n] and (n in inner or self.one(n, TAGGER.prompt) is not None)]
        grouped: dict[Node, list[Node]] = {top: [] for top in self.sorted(tops)}
        loose: list[Node] = []
        for node in self.sorted([n for n in members if n not in grouped]):
            grouped.get(root_of(node, parents), loose).append(node)
        parsed = [self.category(top, nodes) for top, nodes in grouped.items() if nodes]
        if loose and (terms := self.terms_of(loose)):
            parsed.append(Category(id=self.unused(UNSORTED, UNSORTED, self.groups), terms=terms))
        return tuple(category for category in parsed if category.terms)

    def is_current(self, node: Node) -> bool:
        """Publishers keep what they replaced, so that old ids still mean something. Nobody should be offered it."""
        if not any(str(value).lower() in ("true", "1") for value in self.graph.objects(node, OWL.deprecated)):
            return True
        instead = self.one(node, DCTERMS.isReplacedBy)
        self.warn(f"`{node}` was left out: it is deprecated{f'; `{instead}` replaces it' if instead else ''}.")
        return False

    def is_told(self, node: Node) -> bool:
        if self.words.has_label(node) or self.one(node, TAGGER.position) is not None:
            return True
        self.warn(f"`{node}` was left out: it has no skos:prefLabel.")
        return False

    def sorted(self, nodes: list[Node]) -> list[Node]:
        return sorted(nodes, key=lambda n: (self.number(n, TAGGER.position) or 0, self.seed(n)))

    def category(self, node: Node, terms: list[Node]) -> Category:
        prompt = self.one(node, TAGGER.prompt)
        return Category(
            id=self.id_of(node, self.groups),
            labels=self.listed(node, self.words.read(node).labels),
            prompt=DEFAULT_PROMPT if prompt is None else str(prompt),
            threshold=self.threshold(node) or Threshold(),
            max=self.number(node, TAGGER.max),
            terms=self.terms_of(terms),
        )

    def terms_of(self, nodes: list[Node]) -> tuple[Term, ...]:
        return tuple(term for node in nodes if (term := self.term(node)) is not None)

    def term(self, node: Node) -> Term | None:
        words = self.words.read(node)
        if not words.labels:
            self.warn(f"`{self.words.name(node)}` was left out: it has no label that can be offered.")
            return None
        lists = json.loads(str(self.one(node, TAGGER.lists) or "{}"))
        own = lists.get("synonyms", {})
        synonyms: dict[str, list[str]] = {locale: [] for locale in own} | words.synonyms
        same = sorted(_shortened(str(uri)) for uri in self.graph.objects(node, SKOS.exactMatch) if not isinstance(uri, BNode))
        return Term(
            id=self.id_of(node, self.terms),
            labels=self.listed(node, words.labels),
            synonyms={locale: _as_listed(some, own.get(locale, [])) for locale, some in synonyms.items()},
            same_as=_as_listed(same, lists.get("same_as", [])),
            prompts=tuple(map(str, lists.get("prompts", ()))),
            threshold=self.threshold(node),
        )

    def listed(self, node: Node, labels: Mapping[str, str]) -> dict[str, str]:
        """In tagger's order, if the file has it."""
        order = str(self.one(node, TAGGER.locales) or "").split()
        return {locale: labels[locale] for locale in dict.fromkeys((*(o for o in order if o in labels), *labels))}

    def threshold(self, node: Node) -> Threshold | None:
        """If the plain number and tagger's property differ, the plain number counts, because another tool edits that one. (Turtle
        rounds it to 7 digits.)"""
        plain, own = self.one(node, TAGGER.threshold), self.one(node, TAGGER.thresholds)
        if plain is None and own is None:
            return None
        body = json.loads(str(own)) if own is not None else {"default": None, "by_model": {}}
        default = body["default"]
        if plain is not None and (default is None or not math.isclose(float(plain), default, rel_tol=1e-6, abs_tol=1e-12)):
            default = float(plain)
        return Threshold(default=default, by_model={str(model): float(least) for model, least in body["by_model"].items()})

    def id_of(self, node: Node, used: set[str]) -> str:
        """From skos:notation, the end of the URI or a label: the first that is written in Latin letters; else a hash."""
        notations = sorted(str(n) for n in self.graph.objects(node, SKOS.notation) if isinstance(n, Text))
        tail = "" if isinstance(node, BNode) else re.split(r"[/#:]", str(node).rstrip("/#"))[-1]
        label = self.words.name(node) if isinstance(node, BNode) else ""
        concept_id = next((i for i in map(_as_id, (*notations, tail, label)) if i), "") or f"c-{self.hash(node)}"
        if notations and not any(map(_as_id, notations)):
            self.warn(f"The notation `{notations[0]}` cannot be an id; `{concept_id}` was taken instead.")
        return self.unused(concept_id, self.seed(node), used)

    def unused(self, wanted: str, seed: str, used: set[str]) -> str:
        candidate = wanted
        if candidate in used:
            candidate = f"{wanted[: MAX_ID - 9]}-{hashlib.sha256(seed.encode()).hexdigest()[:8]}"
            self.warn(f"Two concepts have the id `{wanted}`; one is `{candidate}` now.")
        used.add(candidate)
        return candidate

    def seed(self, node: Node) -> str:
        """A stable name of a concept. A blank node has another name in each reading, so its content is used."""
        if not isinstance(node, BNode):
            return str(node)
        return " ".join(sorted(str(value) for value in self.graph.objects(node, None) if not isinstance(value, BNode)))

    def hash(self, node: Node) -> str:
        return hashlib.sha256(self.seed(node).encode("utf-8", "surrogatepass")).hexdigest()[:8]

    def one(self, node: Node, predicate: Node) -> Any:
        value = min(self.graph.objects(node, predicate), key=str, default=None)
        return value.toPython() if isinstance(value, Text) else value

    def number(self, node: Node, predicate: Node) -> int | None:
        value = self.one(node, predicate)
        return None if value is None else int(value)


def _as_listed(stated: list[str], listed: list[str]) -> tuple[str, ...]:
    """The order and repetitions of tagger's list, without removed statements, then statements that were added later."""
    present = set(stated)
    return (*(w for w in listed if w in present), *(w for w in stated if w not in set(listed)))


def _as_id(text: str) -> str:
    """An id made from a text; empty for a text in another script, of which little would remain."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.strip().lower()) if not unicodedata.combining(c))
    if any(c.isalpha() and not c.isascii() for c in plain):
        return ""
    return NOT_ID.sub("-", plain)[: MAX_ID + 20].strip("-_")[:MAX_ID].rstrip("-_")


def _shortened(uri: str) -> str:
    return next((f"{p}:{uri.removeprefix(base)}" for p, base in PREFIXES.items() if uri.startswith(base)), uri)
