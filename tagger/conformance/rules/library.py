"""Rules about `library.page`."""

from __future__ import annotations

import time

from tagger.conformance.outcome import expect
from tagger.conformance.trial import FIELD, Trial
from tagger.instants import format_instant

HOUR_MS = 3_600_000
MOST_PAGES = 5_000


def paging(trial: Trial) -> str:
    before = [trial.upload().id for _ in range(6)]
    seen = list[str]()
    cursor, pages, leaving = None, 0, before[3]
    while True:
        page = trial.page(cursor=cursor, limit=2)
        expect(len(page.data) <= 2, f"A page with the limit 2 has {len(page.data)} assets.")
        seen += [asset.id for asset in page.data]
        pages, cursor = pages + 1, page.next_cursor
        if cursor is None:
            break
        expect(pages < MOST_PAGES, "The pages do not end.")
        if pages == 1:  # one goes and one comes while the library is read
            trial.editor.delete(leaving)
            trial.upload()
    twice = sorted({asset for asset in seen if seen.count(asset) > 1})
    expect(not twice, f"These assets were on two pages: {twice}")
    missed = [asset for asset in before if asset != leaving and asset not in seen]
    expect(not missed, f"These assets were on no page: {missed}")
    again = [asset.id for asset in trial.page(ids=before, limit=50).data]
    expect(again == [asset for asset in seen if asset in again], "The order of the assets is not always the same.")
    expect(leaving not in again, "A deleted asset is still listed.")
    return f"{len(seen)} assets on {pages} pages"


def listing(trial: Trial) -> None:
    ours, theirs, empty = (trial.upload() for _ in range(3))
    stored = ours.describe("Tabby cat on a red sofa").value
    theirs.edit("Our press photo of Tibby")
    found = {asset.id: asset for asset in trial.page(ids=[ours.id, theirs.id, empty.id], limit=50).data}
    expect(set(found) == {ours.id, theirs.id, empty.id}, f"Of three ids the page has {sorted(found)}.")
    for asset, writer, value in ((ours, "tagger", stored), (theirs, "person", "Our press photo of Tibby")):
        text = found[asset.id].text(FIELD, trial.locale)
        expect(text is not None, f"The page does not speak of {FIELD} of {asset.id}.")
        assert text is not None
        expect((text.writer, text.value) == (writer, value), f"{asset.id} is listed as {text}; it is the {writer}'s {value!r}.")
    never = found[empty.id].text(FIELD, trial.locale)
    expect(never is None or never.value is None, f"A field that was never set is listed as {never}.")
    image = found[empty.id].image
    expect(image.url or image.send, "An asset is listed without its picture.")
    missing = {asset.id for asset in trial.page(ids=[ours.id, theirs.id, empty.id], missing=[FIELD], limit=50).data}
    expect(missing == {empty.id}, f"`missing` chose {sorted(missing)}, not {empty.id}.")
    now = time.time_ns() // 1_000_000
    recent = _ids(trial, now - HOUR_MS)
    expect({ours.id, theirs.id, empty.id} <= recent, "`since` an hour ago leaves out new assets.")
    later = _ids(trial, now + HOUR_MS)
    expect(not {ours.id, theirs.id, empty.id} & later, "`since` an hour ahead lists assets that were modified before.")


def _ids(trial: Trial, since_ms: int) -> set[str]:
    found, cursor = set[str](), None
    for _ in range(MOST_PAGES):
        page = trial.page(since=format_instant(since_ms), cursor=cursor, limit=100)
        found |= {asset.id for asset in page.data}
        cursor = page.next_cursor
        if cursor is None:
            break
    return found
