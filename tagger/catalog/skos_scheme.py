"""Selects the scheme of a file, its concepts, and their hierarchy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rdflib import RDF, SKOS, Graph
from rdflib import Literal as Text

from tagger.errors import VocabularyInvalid

Node = Any  # rdflib's nodes


def chosen(graph: Graph, wanted: str | None) -> Node:
    """Errors: VocabularyInvalid if there is no scheme, or if there are several and none is named."""
    schemes = sorted(set(graph.subjects(RDF.type, SKOS.ConceptScheme)) or _implied(graph), key=str)
    if wanted is not None:
        fitting = [scheme for scheme in schemes if wanted in _names(graph, scheme)]
        if len(fitting) == 1:
            return fitting[0]
        raise VocabularyInvalid(f"The file has no concept scheme `{wanted}`.", remedy=_choice(schemes))
    if len(schemes) != 1:
        raise VocabularyInvalid(
            f"The file has {len(schemes)} concept schemes instead of one.",
            remedy=_choice(schemes) if schemes else "Export one skos:ConceptScheme.",
        )
    return schemes[0]


def _implied(graph: Graph) -> set[Node]:
    """Schemes that concepts name, for a file that declares no scheme."""
    return {
        *graph.objects(None, SKOS.inScheme),
        *graph.subjects(SKOS.hasTopConcept, None),
        *graph.objects(None, SKOS.topConceptOf),
    }


def _names(graph: Graph, scheme: Node) -> set[str]:
    notations = {str(n) for n in graph.objects(scheme, SKOS.notation) if isinstance(n, Text)}
    return {str(scheme), re.split(r"[/#:]", str(scheme).rstrip("/#"))[-1], *notations}


def _choice(schemes: list[Node]) -> str:
    some = ", ".join(map(str, schemes[:10])) + (", …" if len(schemes) > 10 else "")
    return f"Choose one with `tagger vocabulary import --scheme`: {some}." if schemes else "Export one skos:ConceptScheme."


def members_of(graph: Graph, scheme: Node) -> set[Node]:
    """The concepts that name the scheme, and concepts below them that name no scheme."""
    members = set(graph.subjects(SKOS.inScheme, scheme)) | set(graph.objects(scheme, SKOS.hasTopConcept))
    members |= set(graph.subjects(SKOS.topConceptOf, scheme))
    fresh = set(members)
    while fresh:
        below = {n for node in fresh for n in (*graph.objects(node, SKOS.narrower), *graph.subjects(SKOS.broader, node))}
        fresh = {n for n in below - members if not any(graph.objects(n, SKOS.inScheme))}
        members |= fresh
    return members


def parents_of(graph: Graph, node: Node, members: set[Node]) -> set[Node]:
    return {p for p in (*graph.objects(node, SKOS.broader), *graph.subjects(SKOS.narrower, node)) if p in members and p != node}


def root_of(node: Node, parents: Mapping[Node, set[Node]]) -> Node:
    seen = {node}
    while above := sorted(parents[node] - seen, key=str):
        node = above[0]
        seen.add(node)
    return node
