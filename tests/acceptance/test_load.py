"""`make load` in a short form: every job of an archive is written once, and the figures say so. FAULTS_LONG=1: 2,000 jobs, with
uploads beside them. Without it there are none: beside uploads an archive has a low priority, and waits for the other tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from faults.figures import LONG
from support.postgres import Cluster

ROOT = Path(__file__).parents[2]
JOBS, UPLOADS = (2000, 2.0) if LONG else (250, 0.0)
ROLES = {"api", "tag backfill", "deliver", "reconcile", "postgres", "broker", *(["tag upload"] if UPLOADS else [])}


def test_the_short_form_of_the_load_loses_nothing_and_gives_its_figures(postgres: Cluster, tmp_path: Path) -> None:
    plot, out = tmp_path / "load.svg", tmp_path / "runs"
    command = [sys.executable, "-m", "bench.load", "--jobs", str(JOBS), "--uploads", str(UPLOADS), "--workers", "1", "--json"]
    more = ["--every", "1", "--plot", plot, "--out", out]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"of {JOBS:,}" in done.stderr, "the progress is shown while it runs"
    [run] = json.loads(done.stdout)
    assert (run["lost"], run["written_twice"]) == (0, 0)
    assert (run["jobs"] > JOBS) if UPLOADS else (run["jobs"] == JOBS)
    assert sum(lane["jobs"] for lane in run["lanes"].values()) == run["jobs"]
    assert 0 < run["lanes"]["backfill"]["claimed_to_done"]["p50_s"] <= run["lanes"]["backfill"]["accepted_to_done"]["p99_s"]
    assert run["jobs_a_second"] > 0
    assert run["bytes_a_job_by_table"]["jobs"]["table"] > 100
    assert run["processor_ms_a_job"].keys() >= ROLES
    assert "wait for their delivery" in run["bound"]
    assert run["samples"][-1]["done"] == run["jobs"]
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert json.loads((out / "1.json").read_text("utf-8")) == run
