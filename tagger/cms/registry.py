"""Every CMS that tagger knows, one line each, and the ways to what each implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tagger.cms.base import Cms, HookParser, Library, Probe, Reader, Writer
from tagger.cms.folder.reader import FolderReader
from tagger.cms.generic import callback, probe
from tagger.cms.generic.hook import parse_hook
from tagger.cms.generic.reader import LibraryReader
from tagger.cms.url_list.reader import UrlListReader
from tagger.delivery import Endpoint
from tagger.errors import BadRequest

CMSES: Mapping[str, Cms] = {
    "generic": Cms(
        open_reader=LibraryReader.of,
        open_library=LibraryReader.of,
        parse_hook=parse_hook,
        writer=callback,
        probe=Probe(type=probe.TYPE, read_answer=probe.read_answer),
    ),
    "folder": Cms(open_reader=FolderReader.of),
    "csv": Cms(open_reader=UrlListReader.of),
}

Part = Literal["open_reader", "open_library", "parse_hook", "writer", "probe"]
NAMES: Mapping[Part, str] = {
    "open_reader": "reader", "open_library": "library", "parse_hook": "parser of hooks", "writer": "writer", "probe": "probe",
}  # fmt: skip


def open_reader(kind: str, spec: Mapping[str, Any], endpoint: Endpoint | None = None) -> Reader:
    """The reader of a backfill. `endpoint`: of its site. Errors: BadRequest if there is none of this kind."""
    opener = _known(kind, "open_reader").open_reader
    assert opener is not None
    return opener(spec, endpoint)


def open_library(kind: str, spec: Mapping[str, Any], endpoint: Endpoint | None) -> Library:
    """The library of a site with this CMS. Errors: BadRequest if there is none; Conflict without an endpoint."""
    opener = _known(kind, "open_library").open_library
    assert opener is not None
    return opener(spec, endpoint)


def hook_parser(kind: str) -> HookParser:
    """What reads the hooks of a site with this CMS. Errors: BadRequest if there is none."""
    parser = _known(kind, "parse_hook").parse_hook
    assert parser is not None
    return parser


def writer(kind: str) -> Writer:
    """What makes the messages to a site with this CMS, and reads its answers. Errors: BadRequest if there is none."""
    found = _known(kind, "writer").writer
    assert found is not None
    return found


def probe_of(kind: str) -> Probe:
    """What asks a site with this CMS what it can do. Errors: BadRequest if there is none."""
    found = _known(kind, "probe").probe
    assert found is not None
    return found


def kinds(part: Part) -> list[str]:
    """The CMSes that implement this part."""
    return sorted(name for name, cms in CMSES.items() if getattr(cms, part) is not None)


def _known(kind: str, part: Part) -> Cms:
    if kind not in kinds(part):
        raise BadRequest(f"There is no {NAMES[part]} `{kind}`.", f"Use one of: {', '.join(kinds(part))}.")
    return CMSES[kind]
