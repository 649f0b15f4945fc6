"""Reads Turtle or JSON-LD into a graph. It never fetches anything, and size and work are limited for any file."""

from __future__ import annotations

import json
from typing import Any, Literal, Self

from rdflib import Graph
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.jsonld import Parser
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.plugins.shared.jsonld.context import Context

from tagger.errors import VocabularyInvalid

Format = Literal["turtle", "json-ld"]

MAX_BYTES = 2 << 20
MAX_STATEMENTS = 100_000  # a scheme of 2 MiB has half as many
MAX_SIGNS = 200_000  # limit of the characters below, which cost the parser most: each begins an object, a node or an escape
SIGNS = b",;[(\\"
SMALLER = "Export only the part of the scheme that you tag with."
FAULTS = (
    BadSyntax,
    ParserError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
)


class _TooMuch(Exception):
    pass


class _Bounded(Graph):
    """A graph with a limited number of statements."""

    taken = 0

    def add(self, triple: Any) -> Self:
        self.taken += 1
        if self.taken > MAX_STATEMENTS:
            raise _TooMuch
        super().add(triple)
        return self


class _NoFetching(dict[str, Any]):
    """A store of contexts that claims to have every address, so that the parser fetches none."""

    def __contains__(self, address: object) -> bool:
        return True

    def __getitem__(self, address: str) -> Any:
        raise VocabularyInvalid(
            "The @context of the file is an address, and tagger does not fetch it.",
            remedy="Write the whole context into the file.",
        )


def read(text: str | bytes, form: Format) -> Graph:
    """Errors: VocabularyInvalid."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise VocabularyInvalid(f"The file is larger than {MAX_BYTES >> 20} MiB.", remedy=SMALLER)
    if sum(raw.count(sign) for sign in SIGNS) > MAX_SIGNS:
        raise VocabularyInvalid(f"The file has more than {MAX_SIGNS:,} of the characters `{SIGNS.decode()}`.", remedy=SMALLER)
    graph = _Bounded()
    try:
        if form == "turtle":
            graph.parse(data=raw.decode("utf-8-sig"), format="turtle")
        else:
            _json_ld(graph, json.loads(raw))
    except _TooMuch:
        raise VocabularyInvalid(f"The file has more than {MAX_STATEMENTS:,} statements.", remedy=SMALLER) from None
    except UnicodeDecodeError as err:
        raise VocabularyInvalid(
            f"The file is not UTF-8: byte {err.start} is not valid.", remedy="Save the file as UTF-8."
        ) from None
    except (*FAULTS, RecursionError) as err:
        line = f", line {err.lines + 1}" if isinstance(err, BadSyntax) else ""
        raise VocabularyInvalid(f"The file is not valid {form}{line}.", remedy="Check it with an RDF validator.") from err
    return graph


def _json_ld(graph: Graph, body: Any) -> None:
    """Parse directly into a Graph. rdflib itself would use a deprecated class."""
    _refuse_address(body, inside_context=False)
    context = Context()
    context._context_cache = _NoFetching()  # shared by every context inside this one
    Parser().parse(body, context, graph)


def _refuse_address(value: Any, *, inside_context: bool) -> None:
    """A JSON-LD context may name an address at any depth: by itself, in lists of lists, in a term, by @import."""
    if isinstance(value, list):
        for inner in value:
            _refuse_address(inner, inside_context=inside_context)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_address(inner, inside_context=key in ("@context", "@import"))
    elif inside_context and isinstance(value, str):
        raise VocabularyInvalid(
            "The @context of the file is an address, and tagger does not fetch it.",
            remedy="Write the whole context into the file.",
        )
