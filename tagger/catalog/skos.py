"""Vocabularies as SKOS, in Turtle or JSON-LD: scheme = vocabulary, top concept = category, narrower concept = term.

SKOS has no property for ids, order, prompts, thresholds, limits and deny. They are stored in properties of tagger's namespace, so
that `load(dump(v)) == v`. `skos_read.py` reads schemes, also foreign ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from rdflib import RDF, SKOS, XSD, Graph, URIRef
from rdflib import Literal as Text

from tagger.catalog.rdf_file import Format
from tagger.catalog.skos_read import PREFIXES, TAGGER, load
from tagger.catalog.skos_scheme import Node
from tagger.catalog.vocabulary import Category, Term, Threshold, Vocabulary

__all__ = ["BASE", "Format", "dump", "load"]

BASE = "https://tagger.dev/vocabularies/"


def dump(vocabulary: Vocabulary, *, form: Format = "turtle", base: str = BASE) -> str:
    """`base`/<name> is the URI of the scheme; the URIs of the concepts are below it."""
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
    # RDF stores no order and no repetition of statements, so a list stores them.
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


def _expanded(same: str) -> str:
    prefix, _, rest = same.partition(":")
    return PREFIXES[prefix] + rest if prefix in PREFIXES else same
