"""Vocabularies as SKOS, in Turtle or JSON-LD: scheme = vocabulary, top concept = category, narrower concept = term.

What SKOS has no word for (ids, order, prompts, thresholds, limits, deny) is kept in properties of our own namespace, so that
`load(dump(v)) == v`. A foreign scheme gets ids from `skos:notation` or the end of each URI.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from rdflib import RDF, SKOS, XSD, BNode, Graph, Namespace, URIRef
from rdflib import Literal as Text
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.jsonld import to_rdf
from rdflib.plugins.parsers.notation3 import BadSyntax

from tagger.document import MAX_BYTES
from tagger.errors import VocabularyInvalid
from tagger.vocabulary import DEFAULT_PROMPT, Category, Denial, Term, Threshold, Vocabulary

Format = Literal["turtle", "json-ld"]
Node = Any  # rdflib's nodes

TAGGER = Namespace("https://tagger.dev/ns#")
BASE = "https://tagger.dev/vocabularies/"
PREFIXES: Mapping[str, str] = {
    "wd": "http://www.wikidata.org/entity/",
    "medtop": "http://cv.iptc.org/newscodes/mediatopic/",
}
UNSORTED = "other"  # category of foreign concepts that stand alone
NOT_ID = re.compile(r"[^a-z0-9_-]+")


def dump(vocabulary: Vocabulary, *, form: Format = "turtle", base: str = BASE) -> str:
    """`base`/<name> is the scheme's URI; concepts stand below it."""
    graph = Graph()
    for prefix, uri in {**PREFIXES, "tagger": str(TAGGER), "skos": str(SKOS)}.items():
        graph.bind(prefix, uri)
    scheme = URIRef(f"{base}{vocabulary.name}")
    graph.add((scheme, RDF.type, SKOS.ConceptScheme))
    graph.add((scheme, SKOS.notation, Text(vocabulary.name)))
    graph.add((scheme, TAGGER.version, Text(vocabulary.version)))
    if vocabulary.deny:
        body = [{"term": d.term, "sites": list(d.sites)} for d in vocabulary.deny]
        graph.add((scheme, TAGGER.deny, Text(json.dumps(body, ensure_ascii=False))))
    for place, category in enumerate(vocabulary.categories):
        top = _category(graph, scheme, category, place)
        for n, term in enumerate(category.terms):
            _term(graph, scheme, top, term, n)
    return graph.serialize(format=form)


def _concept(graph: Graph, scheme: Node, node: Node, notation: str, place: int, labels: Mapping[str, str]) -> None:
    graph.add((node, RDF.type, SKOS.Concept))
    graph.add((node, SKOS.inScheme, scheme))
    graph.add((node, SKOS.notation, Text(notation)))
    graph.add((node, TAGGER.position, Text(place)))
    graph.add((node, TAGGER.locales, Text(" ".join(labels))))
    for locale, label in labels.items():
        graph.add((node, SKOS.prefLabel, Text(label, lang=locale)))


def _category(graph: Graph, scheme: Node, category: Category, place: int) -> Node:
    node = URIRef(f"{scheme}/category/{category.id}")
    _concept(graph, scheme, node, category.id, place, category.labels)
    graph.add((scheme, SKOS.hasTopConcept, node))
    graph.add((node, SKOS.topConceptOf, scheme))
    graph.add((node, TAGGER.prompt, Text(category.prompt)))
    _put_threshold(graph, node, category.threshold)
    if category.max is not None:
        graph.add((node, TAGGER.max, Text(category.max)))
    return node


def _term(graph: Graph, scheme: Node, top: Node, term: Term, place: int) -> None:
    node = URIRef(f"{scheme}/{term.id}")
    _concept(graph, scheme, node, term.id, place, term.labels)
    graph.add((node, SKOS.broader, top))
    graph.add((top, SKOS.narrower, node))
    for locale, words in term.synonyms.items():
        for word in words:
            graph.add((node, SKOS.altLabel, Text(word, lang=locale)))
    for same in term.same_as:
        graph.add((node, SKOS.exactMatch, URIRef(_expanded(same))))
    # RDF keeps no order and no repetition of statements; a list of ours does.
    order = {
        "synonyms": {k: list(v) for k, v in term.synonyms.items()},
        "same_as": list(term.same_as),
        "prompts": list(term.prompts),
    }
    graph.add((node, TAGGER.lists, Text(json.dumps(order, ensure_ascii=False))))
    _put_threshold(graph, node, term.threshold)


def _put_threshold(graph: Graph, node: Node, threshold: Threshold | None) -> None:
    if threshold is None:
        return
    body = {"default": threshold.default, "by_model": dict(threshold.by_model)}
    if threshold.default is not None:
        graph.add((node, TAGGER.threshold, Text(threshold.default, datatype=XSD.double)))
    graph.add((node, TAGGER.thresholds, Text(json.dumps(body))))


def load(text: str | bytes, *, form: Format = "turtle", name: str | None = None) -> Vocabulary:
    """Read one concept scheme; nothing is fetched. Errors: VocabularyInvalid, also for no or several schemes."""
    if len(text) > MAX_BYTES:
        raise VocabularyInvalid(
            f"The file is over {MAX_BYTES >> 20} MiB.", remedy="Export only the part of the scheme that you tag with."
        )
    try:
        graph = Graph().parse(data=text, format=form) if form == "turtle" else _from_json_ld(text)
    except (BadSyntax, ParserError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError) as err:
        line = f", line {err.lines + 1}" if isinstance(err, BadSyntax) else ""
        raise VocabularyInvalid(f"The file is not valid {form}{line}.", remedy="Check it with an RDF validator.") from err
    schemes = sorted(set(graph.subjects(RDF.type, SKOS.ConceptScheme)), key=str)
    if len(schemes) != 1:
        raise VocabularyInvalid(f"The file has {len(schemes)} concept schemes, not one.", remedy="Export one skos:ConceptScheme.")
    scheme = schemes[0]
    categories = _read_categories(graph, scheme)
    if not categories:
        raise VocabularyInvalid(
            "The scheme has no concept with a skos:prefLabel.", remedy="Add skos:inScheme and skos:prefLabel."
        )
    deny = json.loads(str(_one(graph, scheme, TAGGER.deny) or "[]"))
    return Vocabulary(
        name=name or _notation(graph, scheme),
        version=int(_one(graph, scheme, TAGGER.version) or 1),
        categories=categories,
        deny=tuple(Denial(term=d["term"], sites=tuple(d["sites"])) for d in deny),
    )


def _from_json_ld(text: str | bytes) -> Graph:
    """Straight into a Graph: rdflib's own way there goes through a class that it deprecates."""
    body = json.loads(text)
    _refuse_remote_context(body)
    graph = Graph()
    to_rdf(body, graph)
    return graph


def _refuse_remote_context(value: Any) -> None:
    """A JSON-LD `@context` may name an address, which the parser would fetch."""
    if isinstance(value, dict):
        for key, inner in value.items():
            contexts = inner if isinstance(inner, list) else [inner]
            if key in ("@context", "@import") and any(isinstance(c, str) for c in contexts):
                raise VocabularyInvalid("The file's @context is an address.", remedy="Write the context out in the file.")
            _refuse_remote_context(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_remote_context(inner)


def _read_categories(graph: Graph, scheme: Node) -> tuple[Category, ...]:
    members = set(graph.subjects(SKOS.inScheme, scheme)) | set(graph.objects(scheme, SKOS.hasTopConcept))
    members |= set(graph.subjects(SKOS.topConceptOf, scheme))
    members = {n for n in members if any(graph.objects(n, SKOS.prefLabel)) or _one(graph, n, TAGGER.position) is not None}
    parents = {n: _parents(graph, n, members) for n in members}
    inner = {parent for some in parents.values() for parent in some}
    tops = [n for n in members if not parents[n] and (n in inner or _one(graph, n, TAGGER.prompt) is not None)]
    grouped: dict[Node, list[Node]] = {top: [] for top in _sorted(graph, tops)}
    loose: list[Node] = []
    for node in _sorted(graph, [n for n in members if n not in grouped]):
        root = _root(node, parents)
        grouped.get(root, loose).append(node)
    used: set[str] = set()
    categories = [_read_category(graph, top, nodes, used) for top, nodes in grouped.items() if nodes]
    if loose:
        categories.append(Category(id=UNSORTED, terms=tuple(_read_term(graph, n, used) for n in loose)))
    return tuple(categories)


def _parents(graph: Graph, node: Node, members: set[Node]) -> set[Node]:
    return {p for p in (*graph.objects(node, SKOS.broader), *graph.subjects(SKOS.narrower, node)) if p in members and p != node}


def _root(node: Node, parents: Mapping[Node, set[Node]]) -> Node:
    seen = {node}
    while above := sorted(parents[node] - seen, key=str):
        node = above[0]
        seen.add(node)
    return node


def _sorted(graph: Graph, nodes: list[Node]) -> list[Node]:
    return sorted(nodes, key=lambda n: (int(_one(graph, n, TAGGER.position) or 0), str(n)))


def _read_category(graph: Graph, node: Node, terms: list[Node], used: set[str]) -> Category:
    limit = _one(graph, node, TAGGER.max)
    prompt = _one(graph, node, TAGGER.prompt)
    return Category(
        id=_notation(graph, node),
        labels=_labels(graph, node),
        prompt=DEFAULT_PROMPT if prompt is None else str(prompt),
        threshold=_threshold(graph, node) or Threshold(),
        max=None if limit is None else int(limit),
        terms=tuple(_read_term(graph, n, used) for n in terms),
    )


def _read_term(graph: Graph, node: Node, used: set[str]) -> Term:
    term_id = _notation(graph, node)
    if term_id in used:
        raise VocabularyInvalid(f"Two concepts have the id `{term_id}`.", remedy="Give each concept its own skos:notation.")
    used.add(term_id)
    lists = json.loads(str(_one(graph, node, TAGGER.lists) or "{}"))
    synonyms: dict[str, list[str]] = {locale: [] for locale in lists.get("synonyms", {})}
    for text in sorted((t for t in graph.objects(node, SKOS.altLabel) if isinstance(t, Text)), key=str):
        synonyms.setdefault(_locale(text.language), []).append(str(text))
    same = sorted(_shortened(str(uri)) for uri in graph.objects(node, SKOS.exactMatch) if not isinstance(uri, BNode))
    return Term(
        id=term_id,
        labels=_labels(graph, node),
        synonyms={locale: _as_listed(words, lists.get("synonyms", {}).get(locale, [])) for locale, words in synonyms.items()},
        same_as=_as_listed(same, lists.get("same_as", [])),
        prompts=tuple(lists.get("prompts", ())),
        threshold=_threshold(graph, node),
    )


def _as_listed(found: list[str], listed: list[str]) -> tuple[str, ...]:
    """The order (and repetitions) of our list as far as the statements still say so, then what was added since."""
    present = set(found)
    return (*(w for w in listed if w in present), *(w for w in found if w not in set(listed)))


def _labels(graph: Graph, node: Node) -> dict[str, str]:
    found = {_locale(t.language): str(t) for t in sorted(graph.objects(node, SKOS.prefLabel), key=str) if isinstance(t, Text)}
    order = str(_one(graph, node, TAGGER.locales) or "").split()
    return {locale: found[locale] for locale in (*(o for o in order if o in found), *(f for f in found if f not in order))}


def _threshold(graph: Graph, node: Node) -> Threshold | None:
    """The plain number wins over ours where they differ: that is what another tool would edit. (Turtle rounds it to 7 digits.)"""
    plain, own = _one(graph, node, TAGGER.threshold), _one(graph, node, TAGGER.thresholds)
    if plain is None and own is None:
        return None
    body = json.loads(str(own)) if own is not None else {"default": None, "by_model": {}}
    default = body["default"]
    if plain is not None and (default is None or not math.isclose(float(plain), default, rel_tol=1e-6, abs_tol=1e-12)):
        default = float(plain)
    return Threshold(default=default, by_model=body["by_model"])


def _one(graph: Graph, node: Node, predicate: Node) -> Any:
    value = graph.value(node, predicate, any=True)
    return value.toPython() if isinstance(value, Text) else value


def _notation(graph: Graph, node: Node) -> str:
    given = _one(graph, node, SKOS.notation)
    text = str(given) if given is not None else re.split(r"[/#:]", str(node).rstrip("/#"))[-1]
    return NOT_ID.sub("-", text.lower()).strip("-_")[:63] or UNSORTED


def _locale(tag: str | None) -> str:
    """rdflib lower-cases language tags: `zh-hans` → `zh-Hans`, `pt-br` → `pt-BR`."""
    parts = (tag or "en").split("-")
    return "-".join([parts[0].lower(), *(p.title() if len(p) == 4 else p.upper() for p in parts[1:])])


def _expanded(same: str) -> str:
    prefix, _, rest = same.partition(":")
    return PREFIXES[prefix] + rest if prefix in PREFIXES else same


def _shortened(uri: str) -> str:
    return next((f"{p}:{uri.removeprefix(base)}" for p, base in PREFIXES.items() if uri.startswith(base)), uri)
