"""Every CMS that tagger knows, one line each, and the ways to what each implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tagger.cms.base import Cms, HookParser, Probe, Reader, Writer
from tagger.cms.folder.reader import FolderReader
from tagger.cms.generic import callback, probe
from tagger.cms.generic.hook import parse_hook
from tagger.errors import BadRequest

CMSES: Mapping[str, Cms] = {
    "generic": Cms(parse_hook=parse_hook, writer=callback, probe=Probe(type=probe.TYPE, read_answer=probe.read_answer)),
    "folder": Cms(open_reader=FolderReader.of),
}

Part = Literal["open_reader", "parse_hook", "writer", "probe"]
NAMES: Mapping[Part, str] = {"open_reader": "reader", "parse_hook": "parser of hooks", "writer": "writer", "probe": "probe"}


def open_reader(kind: str, spec: Mapping[str, Any]) -> Reader:
    """The reader of a backfill. Errors: BadRequest if there is none of this kind."""
    opener = _known(kind, "open_reader").open_reader
    assert opener is not None
    return opener(spec)


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
