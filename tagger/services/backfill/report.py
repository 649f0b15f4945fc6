"""The report of a backfill: a line for each field of each asset. A dry run and the run after it have the same lines.

| status | meaning |
| --- | --- |
| write, written | the field gets, or got, the text in `after` |
| keep, kept | an editor's text, or one that tagger did not write, stays |
| unchanged | the field holds the text already |
| review | a person decides; `after` is the proposal |
| nothing | there is nothing to say |
| known | an earlier job described this version; nothing is sent |
| skipped, failed, gone, waiting, cancelled, replaced, rejected, unverified | `reason` says more |
| reverted | it was written, and put back by `tagger undo` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tagger.annotation import Annotation
from tagger.backfill import Backfill
from tagger.delivery import Delivery
from tagger.job import Job
from tagger.judge.gate import delivery_fields
from tagger.ledger import ItemResult, Ledger
from tagger.message import DESCRIBED, REVERTED
from tagger.services.backfill.changes import of_message

ENDS = {"dead": "failed", "superseded": "replaced", "cancelled": "cancelled"}


@dataclass(frozen=True, kw_only=True)
class Line:
    asset: str
    status: str
    field: str = ""
    locale: str = ""
    before: str | None = None
    after: str | None = None
    reason: str = ""
    image: str | None = None  # its address, where a page can show it
    job: str | None = None

    def row(self) -> dict[str, Any]:
        return asdict(self)


def lines(ledger: Ledger, backfill: Backfill) -> Iterator[Line]:
    """In the order of the ids of the assets."""
    cursor: str | None = None
    while True:
        page = ledger.backfill_results(backfill.id, cursor=cursor)
        for result in page.data:
            yield from of_asset(ledger, backfill, result)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def of_asset(ledger: Ledger, backfill: Backfill, result: ItemResult) -> Sequence[Line]:
    item, job = result.item, result.job
    if item.skipped:
        return [Line(asset=item.asset_id, status="skipped", reason=item.skipped, image=_image(result))]
    if job is None:
        return [Line(asset=item.asset_id, status="gone", reason="erased", image=_image(result))]
    mine = job.request.backfill_id == backfill.id
    if not mine and job.request.deliver:
        return [_whole(result, job, "known")]
    if job.status in ENDS:
        return [_whole(result, job, ENDS[job.status], "" if job.error is None else job.error.code)]
    if job.description is None:
        return [_whole(result, job, "waiting")]
    made = _rehearsed(ledger, result, job) if backfill.rehearses else _written(result, job)
    return made or [_whole(result, job, "nothing", ", ".join(job.description.verdict.reasons))]


def _whole(result: ItemResult, job: Job, status: str, reason: str = "") -> Line:
    return Line(asset=result.item.asset_id, status=status, reason=reason, image=_image(result), job=job.id)


def _image(result: ItemResult) -> str | None:
    if result.item.present is not None:
        url: str | None = result.item.present.get("url")
        return url
    source = None if result.job is None else result.job.request.source
    return source.location if source is not None and source.kind == "url" else None


def _rehearsed(ledger: Ledger, result: ItemResult, job: Job) -> list[Line]:
    assert job.description is not None
    present: Mapping[str, Any] = (result.item.present or {}).get("fields") or {}
    fields = delivery_fields(job.description.annotations) or {}
    known = ledger.provenance(job.site_id, job.asset_id)
    place: dict[str, Any] = {"asset": job.asset_id, "image": _image(result), "job": job.id}
    changes = [
        Line(**place, status=c.action, field=c.field, locale=c.locale, before=c.before, after=c.after, reason=c.reason)
        for c in of_message(fields, present, known)
    ]
    return changes + _proposed(job.description.annotations, place)


def _written(result: ItemResult, job: Job) -> list[Line]:
    assert job.description is not None
    place: dict[str, Any] = {"asset": job.asset_id, "image": _image(result), "job": job.id}
    sent = [delivery for delivery in result.deliveries if delivery.type == DESCRIBED]
    undone = {
        (outcome.field, outcome.locale)
        for delivery in result.deliveries
        if delivery.type == REVERTED
        for outcome in delivery.outcomes
        if outcome.outcome in ("written", "unchanged")
    }
    made = [line for delivery in sent for line in _of_delivery(delivery, place, undone)]
    return made + _proposed(job.description.annotations, place)


def _of_delivery(delivery: Delivery, place: Mapping[str, Any], undone: set[tuple[str, str]]) -> Iterator[Line]:
    if delivery.fields and not delivery.outcomes:
        reason = str((delivery.error or {}).get("code") or "")
        yield Line(**place, status="failed" if delivery.status == "dead" else "waiting", reason=reason)
    for outcome in delivery.outcomes:
        status = "reverted" if (outcome.field, outcome.locale) in undone and outcome.outcome == "written" else outcome.outcome
        about = {"field": outcome.field, "locale": outcome.locale, "reason": outcome.reason}
        if outcome.field == "tags":
            labels = {tag["id"]: tag["label"] for tag in delivery.fields["tags"]["add"]}
            changed = [f"+{labels.get(tag, tag)}" for tag in outcome.added or ()] + [f"-{tag}" for tag in outcome.removed or ()]
            yield Line(**place, **about, status=status, after=", ".join(changed) or None)
        else:
            before = delivery.previous.get(outcome.field, {}).get(outcome.locale)
            value = delivery.fields[outcome.field][outcome.locale]["value"]
            after = value if outcome.outcome in ("written", "unchanged") else None
            yield Line(**place, **about, status=status, before=before, after=after)


def _proposed(annotations: Sequence[Annotation], place: Mapping[str, Any]) -> list[Line]:
    return [
        Line(**place, status="review", field=a.field, locale=a.locale, after=_shown(a), reason=", ".join(a.verdict.reasons))
        for a in annotations
        if a.verdict.action == "review" and a.value is not None
    ]


def _shown(annotation: Annotation) -> str | None:
    return ", ".join(tag.label for tag in annotation.value) if isinstance(annotation.value, tuple) else annotation.value
