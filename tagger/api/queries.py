"""The query of a request holds only what its route reads: a misspelt filter would choose everything, and say nothing."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant

from tagger.errors import BadRequest, Pointer

SHOWN = 5
LONGEST = 100


def check_known(request: Request) -> None:
    """Errors: BadRequest that names each parameter that the route does not have."""
    allowed = _names(request.scope["route"].dependant)
    unknown = [name[:LONGEST] for name in dict.fromkeys(request.query_params) if name not in allowed][:SHOWN]
    if unknown:
        pointers = tuple(Pointer(pointer="/" + name, detail="no such parameter") for name in unknown)
        raise BadRequest(
            "; ".join(f"{p.pointer}: {p.detail}" for p in pointers),
            f"This route reads: {', '.join(sorted(allowed))}." if allowed else "This route reads no query.",
            errors=pointers,
        )


def _names(dependant: Dependant) -> set[str]:
    return {field.alias for field in dependant.query_params}.union(*map(_names, dependant.dependencies))
