"""The library of a CMS that answers `library.page`, as a reader for backfills and sweeps.

A cursor is JSON: the cursor of the page that the asset was on (the CMS's own; with ids, the number of the first one asked for),
and the id of the asset, or null behind the last one of a page. If that asset is gone when the page is read again, the whole page
is listed again: the ledger feeds no asset twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagger.asset import Context, ImageSource
from tagger.cms.base import LIBRARY_PAGE, ListedAsset
from tagger.cms.generic.ask import Asker
from tagger.cms.generic.library import MOST, TYPE, LibraryPage, Listed, PageQuery, Unusable, read_page
from tagger.cms.job_body import CAPTION_CHARS, TITLE_CHARS
from tagger.delivery import Endpoint
from tagger.errors import AnswerInvalid, BadRequest, Conflict, LibraryAway
from tagger.instants import parse_instant
from tagger.net.client import HttpClient

PAGE = LIBRARY_PAGE
TEXTS = ("alt_text", "caption", "title")


class LibraryReader:
    def __init__(self, asker: Asker, spec: Mapping[str, Any]) -> None:
        self._asker = asker
        self._query: Mapping[str, Any] = spec.get("query") or {}
        self._spec = spec

    @classmethod
    def of(cls, spec: Mapping[str, Any], endpoint: Endpoint | None) -> LibraryReader:
        if endpoint is None:
            raise Conflict(
                "The site has no endpoint, so its library cannot be read.", "Add one: `tagger sites set SITE --endpoint URL`."
            )
        return cls(Asker(endpoint=endpoint, client=HttpClient()), spec)

    def page(self, query: PageQuery) -> LibraryPage:
        """Errors: LibraryAway."""
        try:
            return read_page(self._asker.ask(TYPE, query.data()))
        except AnswerInvalid as err:
            raise LibraryAway(str(err), err.remedy) from err

    def total(self) -> int | None:
        """How many assets the CMS says that there are. Errors: LibraryAway."""
        if (ids := self._query.get("ids")) is not None:
            return len(ids)
        return self.page(self._of_query(None, limit=1)).total

    def assets(self, after: str | None = None) -> Iterator[ListedAsset]:
        """Errors: LibraryAway."""
        token, last = json.loads(after) if after else (None, None)
        ids = self._query.get("ids")
        return self._whole(token, last) if ids is None else self._named(ids, token or 0, last)

    def listed(self, ids: Sequence[str]) -> dict[str, ListedAsset]:
        """Those of these assets that the CMS has.

        Errors: LibraryAway; also for an asset that was not asked for, or that has no usable id: then none of these may count as
        missing.
        """
        found: dict[str, ListedAsset] = {}
        for start in range(0, len(ids), PAGE):
            chunk = list(ids[start : start + PAGE])
            for asset in self._chunk(chunk):
                if asset.id not in chunk:
                    raise LibraryAway(f"The CMS was asked for assets by their ids, and answered another one: {asset.id!r}.")
                found[asset.id] = self._of(asset, asset.id)
        return found

    def _of_query(self, cursor: str | None, limit: int | None = None) -> PageQuery:
        query, limit = self._query, limit or PAGE
        return PageQuery(cursor=cursor, limit=limit, since=query.get("since"), missing=query.get("missing") or ())

    def _whole(self, token: str | None, last: str | None) -> Iterator[ListedAsset]:
        while True:
            page = self.page(self._of_query(token))
            rest = _behind(page.data, last)
            if page.next_cursor is not None and page.next_cursor == token:
                raise LibraryAway("The CMS answered a page with the cursor of the same page.")
            for number, asset in enumerate(rest, start=1):
                ended = number == len(rest) and page.next_cursor is not None
                yield self._of(asset, _cursor(page.next_cursor if ended else token, None if ended else asset.id))
            if page.next_cursor is None:
                return
            token, last = page.next_cursor, None

    def _named(self, ids: Sequence[str], start: int, last: str | None) -> Iterator[ListedAsset]:
        for first in range(start, len(ids), MOST):
            chunk = list(ids[first : first + MOST])
            found = {asset.id: asset for asset in self._chunk(chunk)}
            for asset_id in _behind_id(chunk, last):
                cursor = _cursor(first, asset_id)
                absent = ListedAsset(asset_id=asset_id, revision="", source=_nowhere(), cursor=cursor, skip="not_found")
                yield self._of(found[asset_id], cursor) if asset_id in found else absent
            last = None

    def _chunk(self, ids: Sequence[str]) -> Iterator[Listed]:
        cursor: str | None = None
        seen = set[str]()
        while True:
            page = self.page(PageQuery(cursor=cursor, limit=MOST, ids=ids))
            yield from page.data
            if page.next_cursor is None:
                return
            if page.next_cursor in seen:
                raise LibraryAway("The CMS answered a page with a cursor of an earlier page.")
            cursor = page.next_cursor
            seen.add(cursor)

    def _of(self, asset: Listed, cursor: str) -> ListedAsset:
        return ListedAsset(
            asset_id=asset.id,
            revision=asset.revision or "",
            source=ImageSource(kind="url", location=asset.image.url or ""),
            cursor=cursor,
            context=context_of(asset),
            skip=skipped(asset, self._spec),
            fault=asset.fault if isinstance(asset, Unusable) else "",
            modified_ms=_instant(asset.modified_at),
            present=present_of(asset),
        )


def present_of(asset: Listed) -> dict[str, Any]:
    """What stands in the CMS, for a dry run."""
    return {"url": asset.image.url, **asset.model_dump(include={"fields"})}


def context_of(asset: Listed) -> Context:
    known = asset.context
    title, caption = known.title or None, known.caption or None
    return Context(role=known.role, title=title and title[:TITLE_CHARS], caption=caption and caption[:CAPTION_CHARS])


def skipped(asset: Listed, spec: Mapping[str, Any]) -> str:
    """Why a backfill with this spec leaves the asset alone; empty: it does not."""
    if isinstance(asset, Unusable):
        return "not_agreed"
    if asset.trashed:
        return "in_trash"
    fields, locales = spec.get("fields") or (), spec.get("locales") or ()
    missing = (spec.get("query") or {}).get("missing") or ()
    if missing and not any(_unset(asset, field, locale) for field in missing for locale in locales):
        return "has_text"
    places = [(field, locale) for field in fields if field in TEXTS for locale in locales]
    if places and "tags" not in fields and all(_of_person(asset, *place) for place in places):
        return "person"
    if asset.image.url is None:
        return "unreachable" if asset.image.send else "no_image"
    return ""


def _unset(asset: Listed, field: str, locale: str) -> bool:
    text = asset.text(field, locale)
    return text is None or text.value is None


def _of_person(asset: Listed, field: str, locale: str) -> bool:
    text = asset.text(field, locale)
    return text is not None and text.value is not None and text.writer == "person"


def _behind(assets: Sequence[Listed], last: str | None) -> Sequence[Listed]:
    place = next((number for number, asset in enumerate(assets, start=1) if asset.id == last), 0)
    return assets[place:]


def _behind_id(ids: Sequence[str], last: str | None) -> Sequence[str]:
    return ids[ids.index(last) + 1 :] if last in ids else ids


def _cursor(token: str | int | None, last: str | None) -> str:
    return json.dumps([token, last], ensure_ascii=False)


def _instant(text: str | None) -> int | None:
    try:
        return parse_instant(text)
    except BadRequest:
        return None


def _nowhere() -> ImageSource:
    return ImageSource(kind="url", location="")
