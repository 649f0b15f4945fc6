"""Checks many texts against their images. It returns the rows with results and never writes to a CMS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from tagger.asset import ImageSource
from tagger.errors import AddressForbidden, BadRequest, NotChecked, TaggerError
from tagger.ids import new_id
from tagger.job import ENDED, Job, JobRequest
from tagger.judge import hypothesis
from tagger.ledger import Ledger
from tagger.locales import language
from tagger.net.url import parse_url
from tagger.tables import named_files, table_file

WINDOW = 500  # jobs open at once
POLL_SECONDS = 0.1
TEXT_FIELDS = ("alt_text", "caption", "title")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One text and its image. The last three fields are set by the check."""

    index: int  # from 1, in the order of the input
    image: str  # as the input names it
    text: str
    source: ImageSource | None  # None: `status` gives the reason
    result: str = ""  # yes | maybe | no; empty: not checked
    confidence: float | None = None
    status: str = ""  # "ok", "warning: …" or "failed: …"

    @property
    def failed(self) -> bool:
        return self.status.startswith("failed")

    @property
    def flagged(self) -> bool:
        return self.result in ("no", "maybe")


def pairs(file: Path, encoding: str | None = None) -> list[Row]:
    """Rows of a CSV with the columns `image` (path or URL) and `text`. Errors: BadRequest if the file is not such a table."""
    table = table_file.load(file, ("image", "text"), BadRequest, encoding)
    folder = file.resolve().parent
    return [_row(number, line.cells["image"], line.cells["text"], folder) for number, line in enumerate(table.lines, start=1)]


def _row(index: int, image: str, text: str, folder: Path) -> Row:
    row = Row(index=index, image=image, text=text, source=None)
    if image.lower().startswith(("http:", "https:")):
        try:
            parse_url(image)
        except AddressForbidden as err:
            return replace(row, status=f"failed: {err}")
        return replace(row, source=ImageSource(kind="url", location=image))
    path = named_files.find(folder, image) if image else None
    if path is None:
        return replace(row, status="failed: the image is not there")
    return replace(row, source=ImageSource(kind="file", location=str(path.resolve()), root=str(path.resolve().parent)))


def written(ledger: Ledger, site_id: str) -> Iterator[Row]:
    """The English texts that tagger wrote to a site: the newest of each field, newest first."""
    seen: set[tuple[str, str, str]] = set()
    cursor: str | None = None
    while True:
        page = ledger.deliveries(site_id=site_id, status="delivered", cursor=cursor, limit=200)
        for delivery in page.data:
            for outcome in delivery.outcomes:
                key = (delivery.asset_id, outcome.field, outcome.locale)
                if outcome.field not in TEXT_FIELDS or language(outcome.locale) != "en" or key in seen:
                    continue
                seen.add(key)
                text = delivery.fields.get(outcome.field, {}).get(outcome.locale, {}).get("value")
                if outcome.outcome in ("written", "unchanged") and text:
                    yield _stored(ledger, len(seen), delivery.asset_id, text, delivery.job_id)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _stored(ledger: Ledger, index: int, asset_id: str, text: str, job_id: str) -> Row:
    row = Row(index=index, image=asset_id, text=text, source=None)
    source = ledger.job(job_id).request.source
    if source.kind == "blob":
        return replace(row, status="failed: the image was uploaded, and its bytes are not kept")
    return replace(row, source=source)


def run(ledger: Ledger, site_id: str, profile: str, rows: Sequence[Row], on_row: Callable[[Row], None]) -> list[Row]:
    """Check all rows in the backfill lane, in the order of `rows`. A row that fails has the reason; the other rows are checked.

    Errors: NotChecked if no model of a worker checks texts. Then unclaimed jobs are cancelled.
    """
    done: dict[int, Row] = {}
    running: dict[str, Row] = {}
    waiting = iter(rows)
    more = True

    def end(row: Row) -> None:
        done[row.index] = row
        on_row(row)

    while more or running:
        fresh: list[Row] = []
        while more and len(running) + len(fresh) < WINDOW:
            row = next(waiting, None)
            if row is None:
                more = False
            elif (refused := _refused(row)) is not None:
                end(refused)
            else:
                fresh.append(row)
        requests = [_request(site_id, profile, row) for row in fresh]
        running.update(zip((accepted.job_id for accepted in ledger.accept(requests)), fresh, strict=True))
        states = ledger.job_statuses(tuple(running))
        ended = [job_id for job_id, state in states.items() if state in ENDED]
        for job_id in ended:
            job = ledger.job(job_id)
            if job.error is not None and job.error.code == NotChecked.code:
                _give_up(ledger, running)
            end(_answered(running.pop(job_id), job))
        if running and not ended:
            time.sleep(POLL_SECONDS)
    return [done[row.index] for row in rows]


def _give_up(ledger: Ledger, job_ids: Iterable[str]) -> NoReturn:
    for job_id in job_ids:
        ledger.cancel(job_id)
    raise NotChecked


def _refused(row: Row) -> Row | None:
    """The row with the reason, if the model need not check it."""
    if row.source is None:
        return row
    try:
        hypothesis.check(row.text)
    except TaggerError as err:
        return replace(row, status=f"failed: {err.code}: {err}")
    return None


def _request(site_id: str, profile: str, row: Row) -> JobRequest:
    assert row.source is not None
    unique = new_id("req")
    return JobRequest(
        site_id=site_id,
        asset_id=f"check-{unique}",
        event_id=unique,
        source=row.source,
        lane="backfill",
        profile=profile,
        fields=(),
        check_text=row.text,
        deliver=False,
    )


def _answered(row: Row, job: Job) -> Row:
    if job.description is None or not job.description.checks:
        reason = f"{job.error.code}: {job.error.detail}" if job.error is not None else job.status
        return replace(row, status=f"failed: {reason}")
    answer = job.description.checks[0]
    unseeable = hypothesis.unseeable(row.text)
    status = f"warning: no pixel can show {', '.join(unseeable)}" if unseeable else "ok"
    return replace(row, result=answer.answer, confidence=round(max(answer.yes, answer.maybe, answer.no), 4), status=status)


def summary(rows: Sequence[Row]) -> dict[str, int]:
    results = {name: sum(row.result == name for row in rows) for name in ("yes", "maybe", "no")}
    return {"rows": len(rows), **results, "failed": sum(row.failed for row in rows)}
