"""A whole library: the dry run says what the run writes, two kills change nothing, and an undo restores every byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.sample_library import SampleLibrary

from faults.figures import LONG, Figures
from faults.harness import BACKFILL, Rig
from tagger.backfill import Backfill
from tagger.services.backfill.plan import Wanted, plan_library, plan_undo
from tagger.services.backfill.progress import outcome_counts
from tagger.services.backfill.report import Line, lines
from tagger.services.backfill.undo import rehearse_undo

NUMBER = 2_000 if LONG else 60
SECONDS = 900 if LONG else 120
SITE = "library"
DID = {"write": "written", "keep": "kept"}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[SampleLibrary]:
    opened = SampleLibrary(tmp_path / "library")
    yield opened
    opened.close()


def filled(library: SampleLibrary) -> list[str]:
    """Every seventh asset has a person's alt text, every eleventh was cleared, every fifth has a caption of its file, every
    fourth a person's tag."""
    texts = {n: {"alt_text": (f"By hand, {n}", "person")} for n in range(0, NUMBER, 7)}
    texts |= {n: {**texts.get(n, {}), "alt_text": ("", "person")} for n in range(3, NUMBER, 11)}
    for n in range(0, NUMBER, 5):
        texts[n] = {**texts.get(n, {}), "caption": (f"From the file, {n}", "import")}
    return library.fill(NUMBER, texts, dict.fromkeys(range(0, NUMBER, 4), "Tibby"))  # type: ignore[arg-type]


def ended(rig: Rig, backfill: Backfill) -> Backfill:
    rig.until(lambda: rig.ledger.backfill(backfill.id).status == "done", f"{backfill.id} ends", SECONDS)
    return rig.ledger.backfill(backfill.id)


def until_done(rig: Rig, backfill: Backfill, number: int) -> None:
    rig.until(lambda: rig.ledger.backfill(backfill.id).counts.get("done", 0) >= number, f"{number} are done", SECONDS)


def found(rig: Rig, backfill: Backfill) -> set[tuple[str, str, str, str, str | None]]:
    """What was, or would be, done to each field."""
    return {
        (line.asset, line.field, line.locale, DID.get(line.status, line.status), _text(line))
        for line in lines(rig.ledger, backfill)
    }


def _text(line: Line) -> str | None:
    return line.after if line.status in ("write", "written", "review") else None


def test_dry_run_two_kills_and_undo(build: Callable[..., Rig], library: SampleLibrary, report: Callable[[Figures], None]) -> None:
    rig = build(window=50, deliver_seconds=10.0)
    ids = filled(library)
    library.start(rig.ledger, SITE)
    rig.start("deliver")
    reconcile, tag = rig.start("reconcile"), rig.start(BACKFILL)
    rig.ready()
    site, untouched = rig.ledger.get_site(SITE), library.content()

    rehearsal = plan_library(rig.ledger, site, Wanted(dry_run=True), window=50)
    rig.ledger.start_backfill(rehearsal)
    foreseen = found(rig, ended(rig, rehearsal))
    assert library.content() == untouched, "a dry run writes nothing"

    run = plan_library(rig.ledger, site, Wanted(), window=50)
    rig.ledger.start_backfill(run)
    for slot, share in ((reconcile, 4), (tag, 2)):
        rig.until(
            lambda share=share: rig.ledger.backfill(run.id).counts.get("done", 0) >= NUMBER // share, "a part is done", SECONDS
        )  # type: ignore[misc]
        rig.kill(slot)
    done = ended(rig, run)
    assert found(rig, done) == foreseen
    counts = outcome_counts(done)
    assert counts["described"] == len(ids) == done.counts["fed"]
    assert not counts["dead"]
    assert len(rig.ledger.backfill_results(run.id, limit=NUMBER).data) == len(ids)
    writes = library.writes()["by_field"]
    assert {write["n"] for write in writes} == {1}, "each field was written once"
    assert {(w["asset"], w["field"]) for w in writes} == {(f[0], f[1]) for f in foreseen if f[3] == "written"}

    edited = {write["asset"]: "Changed after the backfill" for write in writes if write["field"] == "alt_text"}
    edited = dict(list(edited.items())[:3])
    assert edited
    for asset, text in edited.items():
        library.edit(asset, fields={"alt_text": {"en": text}})
    undo_foreseen = {(one.asset, one.field): one.status for one in rehearse_undo(rig.ledger, done)}
    undo = plan_undo(rig.ledger, run.id, window=50)
    rig.ledger.start_backfill(undo)
    undone = ended(rig, undo)
    assert {asset for (asset, field), status in undo_foreseen.items() if (field, status) == ("alt_text", "keep")} == set(edited)
    texts, tags = library.content()
    left = [row for row in texts if (row[0], row[1]) not in {(asset, "alt_text") for asset in edited}]
    before = [row for row in untouched[0] if (row[0], row[1]) not in {(asset, "alt_text") for asset in edited}]
    assert [row[:4] for row in left] == [row[:4] for row in before], "every text, byte for byte"
    assert {row[0]: row[3] for row in texts if row[4] == "person" and row[0] in edited} == edited, "except those edited since"
    assert tags == untouched[1]
    figures = rig.figures("library: two kills, undo", ids=[], lost=0, assets=len(ids), written=counts["written"])
    report(figures)
    assert outcome_counts(undone)["reverted"] > 0
    assert undone.counts.get("reverting", 0) == 0
