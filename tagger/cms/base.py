"""What a CMS can be to tagger: a reader of its assets, a parser of its hooks, a writer of the results. Pure.

To add a CMS: make a folder in tagger/cms/, implement the protocols that it supports, and add one line to tagger/cms/registry.py.
Each part runs its contract suite: tests/support/reader_contract.py, hook_contract.py, writer_contract.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tagger.asset import Context, ImageSource
from tagger.delivery import DeliveryClaim, Endpoint, FieldOutcome
from tagger.job import JobRequest
from tagger.site import Site


@dataclass(frozen=True, kw_only=True)
class ListedAsset:
    """One asset that a reader lists."""

    asset_id: str
    revision: str  # changes when the image changes
    source: ImageSource  # where workers read the image
    cursor: str  # continues the list after this asset
    context: Context = field(default_factory=Context)
    skip: str = ""  # why a backfill leaves it alone, in at most 11 characters; empty: it does not
    fault: str = ""  # what is wrong with it in the answer of the CMS; for the log
    modified_ms: int | None = None  # None: the CMS does not say
    present: Mapping[str, Any] | None = None  # the texts and tags that the CMS has, and the image's address; for a dry run


class Reader(Protocol):
    """Lists the assets of a CMS for a backfill."""

    def assets(self, after: str | None = None) -> Iterator[ListedAsset]:
        """The assets in one fixed order, from the first one after the cursor `after`.

        Errors: OSError or LibraryAway if the CMS is away."""
        ...


class Library(Reader, Protocol):
    """The library of a CMS, which can be asked for single assets too."""

    def total(self) -> int | None:
        """How many assets the CMS says that `assets` lists. Errors: LibraryAway."""
        ...

    def listed(self, ids: Sequence[str]) -> Mapping[str, ListedAsset]:
        """Those of these assets that the CMS has, with what is `present` there. Errors: LibraryAway."""
        ...


OpenLibrary = Callable[[Mapping[str, Any], Endpoint | None], Library]
LIBRARY_PAGE = 100  # assets that one question to a CMS asks for
OpenReader = Callable[[Mapping[str, Any], Endpoint | None], Reader]  # from the `spec` of a backfill; the endpoint of its site


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """An asset was deleted in its CMS. Everything that is stored about it is deleted, too."""

    asset_id: str


@dataclass(frozen=True, kw_only=True)
class EditedText:
    """A text that a person changed, emptied or removed."""

    field: str
    locale: str


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A person changed words of an asset in the CMS. From then on these fields and tags are the editors'."""

    asset_id: str
    texts: tuple[EditedText, ...] = ()
    tags_added: tuple[str, ...] = ()  # labels, as the CMS shows them
    tags_removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageFollows:
    """A new image at an address that tagger cannot reach: the CMS sends the bytes with `PUT /v1/assets/{id}/image`.

    `words`: what the hook said of the job that will be made of the bytes, with the keys of the body of `POST /v1/jobs`.
    """

    asset_id: str
    revision: str | None = None
    words: Mapping[str, Any] = field(default_factory=dict)


HookEvent = JobRequest | Deletion | Edit | ImageFollows


class HookParser(Protocol):
    def __call__(self, site: Site, event_id: str, body: bytes, /) -> HookEvent | None:
        """What a verified hook asks for or tells; None for any other event. Errors: BadRequest."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the answer with status 2xx says. Without outcomes the delivery counts as delivered and its fields as `unverified`."""

    outcomes: tuple[FieldOutcome, ...] = ()
    sequence: int | None = None  # the receiver refused the whole message as stale: the number of the last one that it took
    complaint: str = ""  # what is wrong with the body of the answer; the outcomes may be readable all the same

    @property
    def gone(self) -> bool:
        """Whether the asset was deleted: every field that was answered says so."""
        outcomes = [o.outcome for o in self.outcomes if o.outcome != "unverified"]
        return bool(outcomes) and all(outcome == "gone" for outcome in outcomes)


class Writer(Protocol):
    """Turns a delivery into the request that a CMS understands, and the answer into outcomes."""

    def body(self, claim: DeliveryClaim, /) -> bytes: ...

    def read_answer(self, claim: DeliveryClaim, content: bytes, /) -> Answer:
        """One outcome for each field and locale that was sent. It never fails: no body of an answer undoes its 2xx."""
        ...


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Asks a CMS what it can do."""

    type: str  # of the message
    read_answer: Callable[[bytes], Mapping[str, Any] | None]  # None: it does not say


@dataclass(frozen=True, kw_only=True)
class Cms:
    """What is implemented for one CMS."""

    open_reader: OpenReader | None = None
    open_library: OpenLibrary | None = None
    parse_hook: HookParser | None = None
    writer: Writer | None = None
    probe: Probe | None = None
