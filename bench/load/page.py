"""The table of docs/performance.md, of the runs that a folder keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read(folder: Path) -> list[dict[str, Any]]:
    """The runs by their number of workers."""
    runs = [json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")]
    return sorted(runs, key=lambda run: int(run["workers"]))


def table(runs: list[dict[str, Any]]) -> str:
    head = ["tag workers of the archive", *(str(run["workers"]) for run in runs)]
    columns = [cells(run) for run in runs]
    body = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


def cells(run: dict[str, Any]) -> dict[str, str]:
    """The rows of one column, by name."""
    answers = ", ".join(f"{ms:.0f}" for ms in run["upload_answer_ms"].values())
    return {
        "jobs": f"{run['jobs']:,}",
        "lost / written twice": f"{run['lost']} / {run['written_twice']}",
        "jobs a second": f"**{run['jobs_a_second']}**",
        "in each third of the jobs": ", ".join(map(str, run["jobs_a_second_by_third"])),
        "upload, answer 202: p50, p95, p99": f"{answers} ms",
        "upload, accepted to written": _shares(run, "upload", "accepted_to_done"),
        "archive, claimed to written": _shares(run, "backfill", "claimed_to_done"),
        "archive, accepted to written (mostly its wait in the window)": _shares(run, "backfill", "accepted_to_done"),
        "processor ms a job": _by_role(run["processor_ms_a_job"], 2),
        "most memory, MiB": _by_role(run["memory_mib_most"], 0),
        "ledger a job": f"{run['ledger_bytes_a_job']:,} bytes",
        "write-ahead log, and commits, a job": f"{run['wal_bytes_a_job']:,} bytes, {run['commits_a_job']}",
        "broker, most: memory, append-only file": f"{run['broker_mib_most']}, {run['broker_file_mib_most']} MiB",
        "processors used; by other programs": f"{run['processors_used']:.0%}; {run['processors_used_by_others']:.0%}",
        "bound by": run["bound"],
    }


def _shares(run: dict[str, Any], lane: str, took: str) -> str:
    if lane not in run["lanes"]:
        return "-"
    return ", ".join(f"{s:.2f}" if s < 10 else f"{s:.0f}" for s in run["lanes"][lane][took].values()) + " s"


def _by_role(values: dict[str, float], digits: int) -> str:
    ordered = sorted(values.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{role} {value:.{digits}f}" for role, value in ordered if round(value, digits))
    return f"{sum(values.values()):.{digits}f}: {parts}"
