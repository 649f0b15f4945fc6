"""Every CMS that tagger knows, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.cms.base import Cms, Reader
from tagger.cms.folder.reader import FolderReader
from tagger.cms.generic import callback
from tagger.cms.generic.hook import parse_hook
from tagger.errors import BadRequest

CMSES: Mapping[str, Cms] = {
    "generic": Cms(parse_hook=parse_hook, writer=callback),
    "folder": Cms(open_reader=FolderReader.of),
}
READERS = {name: cms.open_reader for name, cms in CMSES.items() if cms.open_reader is not None}


def open_reader(kind: str, spec: Mapping[str, Any]) -> Reader:
    """The reader of a backfill. Errors: BadRequest for a kind that this version does not know."""
    if kind not in READERS:
        raise BadRequest(f"There is no reader `{kind}`.", f"Use one of: {', '.join(sorted(READERS))}.")
    return READERS[kind](spec)
