"""The models of the API's answers about backfills, for its description."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tagger.api.response_models import Answer, Instant
from tagger.backfill import BackfillStatus


class PaceOut(Answer):
    most: float | None = Field(description="Images per second that were asked for; null: no limit.")
    rate: float | None = Field(description="The limit now; lower after the CMS asked for a pause.")
    not_before: Instant | None
    trouble: str | None = Field(description="Why the library could not be read at the last try.")


class BackfillOut(Answer):
    id: str
    site: str
    kind: str = Field(description="What lists the images: a CMS, `folder` or `csv`; `undo` puts another backfill back.")
    status: BackfillStatus
    dry_run: bool
    undoes: str | None
    folder: str | None
    source: str
    total: int
    fed: int
    open: int
    waiting: int
    known: int = Field(description="Assets that an earlier job described in this version.")
    ended: int
    dead: int
    counts: dict[str, Any] = Field(description="How many assets ended how; `skipped` has a number per reason.")
    rate: float | None
    seconds_left: int | None
    pace: PaceOut
    started_at: Instant


class BackfillList(Answer):
    data: list[BackfillOut]
    next_cursor: None


class ReportLine(Answer):
    asset: str
    status: str
    field: str
    locale: str
    before: str | None
    after: str | None
    reason: str
    image: str | None
    job: str | None


class CostOut(Answer):
    assets: int
    images: int
    requests: int
    rate: float | None
    hours: float | None


class BackfillReport(Answer):
    data: list[ReportLine]
    next_cursor: str | None
    cost: CostOut | None = Field(description="Of a dry run: of the whole backfill.")


class UndoReport(Answer):
    undoes: str
    data: list[ReportLine]
    next_cursor: str | None
