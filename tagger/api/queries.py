"""The query of a request holds only what its route reads: a misspelt filter would choose everything, and say nothing."""

from __future__ import annotations

from collections import Counter

from fastapi import Request
from fastapi.dependencies.models import Dependant

from tagger.errors import BadRequest, Pointer

SHOWN = 5
LONGEST = 100


def check_known(request: Request) -> None:
    """Errors: BadRequest that names each parameter that the route does not have."""
    allowed = _names(request.scope["route"].dependant)
    check_single(request)
    unknown = [name[:LONGEST] for name in dict.fromkeys(request.query_params) if name not in allowed][:SHOWN]
    if unknown:
        pointers = tuple(Pointer(pointer="/" + name, detail="no such parameter") for name in unknown)
        raise BadRequest(
            "; ".join(f"{p.pointer}: {p.detail}" for p in pointers),
            f"This route reads: {', '.join(sorted(allowed))}." if allowed else "This route reads no query.",
            errors=pointers,
        )


def check_single(request: Request) -> None:
    """Only the last value of several would count. Errors: BadRequest that names the parameters given more than once."""
    lists = _lists(request.scope["route"].dependant)
    counts = Counter(name for name, _ in request.query_params.multi_items())
    twice = [name[:LONGEST] for name, count in counts.items() if count > 1 and name not in lists][:SHOWN]
    if twice:
        pointers = tuple(Pointer(pointer="/" + name, detail="given more than once") for name in twice)
        told = "; ".join(f"{p.pointer}: {p.detail}" for p in pointers)
        raise BadRequest(told, "Give it once; ask once for each value.", errors=pointers)


def _lists(dependant: Dependant) -> set[str]:
    own = {f.alias for f in dependant.query_params if "list" in str(f.field_info.annotation)}
    return own.union(*map(_lists, dependant.dependencies))


def _names(dependant: Dependant) -> set[str]:
    return {field.alias for field in dependant.query_params}.union(*map(_names, dependant.dependencies))
