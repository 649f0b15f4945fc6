"""The types of rows name the columns of their tables, and whether each may be null."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_type_hints

import pytest
from sqlalchemy import JSON, Table

from tagger.ledger.tables import api_keys, deliveries, endpoints, jobs, rows, sites, workers

TABLES = {
    rows.JobRow: jobs,
    rows.DeliveryRow: deliveries,
    rows.EndpointRow: endpoints,
    rows.SiteRow: sites,
    rows.KeyRow: api_keys,
}
ROOT = Path(__file__).parents[3]


def kinds(row: type) -> dict[str, str]:
    return {
        name: inspect.signature(found.fget).return_annotation
        for name, found in vars(row).items()
        if isinstance(found, property) and found.fget is not None
    }


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.__name__)
def test_a_type_names_every_column_of_its_table(row: type) -> None:
    table: Table = TABLES[row]
    assert set(kinds(row)) == set(table.c.keys())
    for name, kind in kinds(row).items():
        column = table.c[name]
        assert isinstance(column.type, JSON) or ("None" in kind) == bool(column.nullable), name


def test_a_narrower_type_names_columns_too() -> None:
    assert set(kinds(rows.ClaimedJobRow)) <= set(jobs.c.keys())
    assert set(kinds(rows.SendingRow)) <= set(deliveries.c.keys())
    assert set(kinds(rows.WorkerRow)) <= set(workers.c.keys())
    assert get_type_hints(rows.WorkerRow.beat_ms.fget) == {"return": int}  # type: ignore[attr-defined]


def test_no_function_of_the_ledger_takes_a_row_of_a_table_untyped() -> None:
    """Rows of joins, of which each function reads a few columns, and those of the driver are listed."""
    untyped = {
        f"{file.stem}.{node.name}"
        for file in (ROOT / "tagger" / "ledger").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        for arg in node.args.args
        if arg.arg in ("row", "endpoint") and arg.annotation is not None and ast.unparse(arg.annotation) == "Any"
    }
    joined = {"jobs._description", "deliveries._to_delivery", "backfills._to_backfill", "sweeping._of_library"}
    assert untyped == joined | {"described_by_hook._covers", "silence._is_dead"}
