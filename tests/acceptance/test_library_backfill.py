"""A backfill over the library of a CMS, as its owner meets it: over the API, on the command line, in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.sample_library import SampleLibrary

from acceptance.house import House, until

SITE = "library"


@pytest.fixture(scope="module")
def library(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleLibrary]:
    opened = SampleLibrary(tmp_path_factory.mktemp("sample") / "library")
    opened.fill(6, {0: {"alt_text": ("By hand", "person")}}, {1: "Tibby"})
    opened.start(house.ledger, SITE)
    yield opened
    opened.close()


def started(house: House, **body: Any) -> str:
    answer = house.call("POST", "/v1/backfills", key="operator", json={"site": SITE, **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/backfills/{answer.json()['id']}"
    return str(answer.json()["id"])


def ended(house: House, backfill: str) -> dict[str, Any]:
    def look() -> Any:
        state = house.call("GET", f"/v1/backfills/{backfill}", key="operator").json()
        return state if state["status"] == "done" else None

    return dict(until(look, f"{backfill} ends", 120))


def report(house: House, backfill: str) -> dict[str, Any]:
    return dict(house.call("GET", f"/v1/backfills/{backfill}/report", key="operator").json())


def test_over_the_api_a_library_is_looked_at_written_and_put_back(house: House, library: SampleLibrary) -> None:
    untouched = library.content()
    dry = started(house, dry_run=True)
    assert ended(house, dry)["counts"]["described"] == 6
    foretold = report(house, dry)
    assert foretold["cost"]["images"] == 6
    assert library.content() == untouched
    by_hand = [line for line in foretold["data"] if (line["asset"], line["field"]) == ("a00000", "alt_text")]
    assert [(line["status"], line["before"]) for line in by_hand] in ([("keep", "By hand")], [])

    run = started(house)
    state = ended(house, run)
    assert (state["total"], state["counts"]["written"], state["known"]) == (6, 6, 0)
    did = {(line["asset"], line["field"], line["after"]) for line in report(house, run)["data"] if line["status"] == "written"}
    assert did == {(line["asset"], line["field"], line["after"]) for line in foretold["data"] if line["status"] == "write"}

    assert ended(house, started(house))["known"] == 6, "a second run finds nothing to do"
    look = house.call("POST", f"/v1/backfills/{run}/undo", key="operator", json={"dry_run": True})
    assert {line["status"] for line in look.json()["data"]} == {"write"}
    undo = house.call("POST", f"/v1/backfills/{run}/undo", key="operator", json={})
    assert undo.status_code == 201
    assert ended(house, undo.json()["id"])["counts"]["reverted"] == 6
    assert library.content() == untouched
    again = house.call("POST", f"/v1/backfills/{run}/undo", key="operator", json={})
    assert again.status_code == 201, "an undo that ended may be repeated"
    ended(house, again.json()["id"])
    assert library.content() == untouched


def test_a_site_sees_only_its_own_backfills(house: House, library: SampleLibrary) -> None:
    backfill = started(house, dry_run=True, sample=1)
    for path in ("", "/report"):
        assert house.call("GET", f"/v1/backfills/{backfill}{path}", key="other").status_code == 404
    assert house.call("POST", f"/v1/backfills/{backfill}/cancel", key="other").status_code == 404
    mine = house.call("GET", "/v1/backfills", key="other").json()["data"]
    assert backfill not in [one["id"] for one in mine]
    assert house.call("POST", "/v1/backfills", key="other", json={"site": SITE}).status_code == 404
    assert ended(house, backfill)["total"] == 1


def test_a_request_that_makes_no_sense_is_refused(house: House, library: SampleLibrary) -> None:
    for body in ({"sample": 3}, {"fields": ["tags"], "only_missing": True}, {"since": "yesterday"}, {"ids": []}):
        answer = house.call("POST", "/v1/backfills", key="operator", json={"site": SITE, **body})
        assert answer.status_code == 422, body
    assert house.call("POST", "/v1/backfills", key="operator", json={}).status_code == 422


def test_the_command_line_writes_the_difference_and_the_report(house: House, library: SampleLibrary, tmp_path: Path) -> None:
    page, table = tmp_path / "diff.html", tmp_path / "diff.csv"
    for out in (page, table):
        said = house.tagger(
            "backfill", "start", "--site", SITE, "--id", "a00001", "--id", "nobody", "--force-own", "--dry-run", "--out", str(out)
        )
        assert said.returncode == 0, said.stderr
        assert "nothing was written" in said.stdout
        assert "1 not_found" in said.stdout
    assert f'<img src="{library.url}/media/a00001/1"' in page.read_text("utf-8")
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    assert {row["asset"] for row in rows} == {"a00001", "nobody"}
    assert "Tibby" in {row["before"] for row in rows if row["field"] == "tags"}
    again = house.tagger("backfill", "start", "--site", SITE, "--dry-run", "--out", str(table))
    assert again.returncode == 1, "a file is not overwritten"

    file = tmp_path / "report.json"
    run = house.told("backfill", "start", "--site", SITE, "--id", "a00002", "--force-own", "--rate", "50")
    ended(house, run["id"])
    assert house.tagger("backfill", "report", run["id"], "--out", str(file)).returncode == 0
    assert {line["status"] for line in json.loads(file.read_text("utf-8"))["data"]} == {"written"}
    look = house.told("undo", run["id"], "--dry-run")
    assert {line["status"] for line in look["data"]} == {"write"}
    said = house.tagger("undo", run["id"])
    assert "1 reverted" in said.stdout, said.stdout + said.stderr


def test_a_table_of_addresses_is_described(house: House, library: SampleLibrary, tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    lines = [
        "id;url",
        f"a00003;{library.url}/media/a00003/1",
        f"a00003;{library.url}/media/a00003/1",
        "a00004;ftp://nowhere/x.jpg",
    ]
    table.write_text("\n".join(lines), "utf-8")
    said = house.tagger("backfill", "start", "--site", SITE, "--csv", str(table))
    assert said.returncode == 0, said.stderr
    assert "1 written" in said.stdout
    assert "1 skipped (bad_url)" in said.stdout
