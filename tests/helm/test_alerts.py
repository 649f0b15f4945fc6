"""The alert rules: Prometheus's own unit tests pass, each rule has one, and each leads to a section of the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.ops_tools import CHART, ROOT, run, tool

FILES = sorted((CHART / "alerts").glob("*.yaml"))
TESTS = sorted((CHART / "alerts" / "tests").glob("*.yaml"))
RULES: list[dict[str, Any]] = [
    rule for file in FILES for group in yaml.safe_load(file.read_text("utf-8"))["groups"] for rule in group["rules"]
]
SEVERITIES = ("critical", "warning", "info")


@pytest.mark.parametrize("file", TESTS, ids=lambda p: p.stem)
def test_the_unit_tests_of_the_rules_pass(file: Path) -> None:
    done = run(tool("promtool"), "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_fails_its_unit_test(tmp_path: Path) -> None:
    """So the unit tests can fail."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "work.yaml").write_text((CHART / "alerts" / "work.yaml").read_text("utf-8").replace("> 300", "> 3000000"))
    case = (CHART / "alerts" / "tests" / "work.yaml").read_text("utf-8")
    (tmp_path / "tests" / "work.yaml").write_text(case)
    done = run(tool("promtool"), "test", "rules", tmp_path / "tests" / "work.yaml")
    assert done.returncode == 1
    assert "TaggerUploadsLate" in done.stdout + done.stderr


def test_every_rule_fires_in_a_unit_test() -> None:
    fired = {
        case["alertname"]
        for file in TESTS
        for group in yaml.safe_load(file.read_text("utf-8"))["tests"]
        for case in group["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert {rule["alert"] for rule in RULES} == fired


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"].endswith((".", "}}."))
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert rule["annotations"]["runbook_url"] == f"https://tagger.dev/docs/runbook/#{rule['alert'].lower()}"
    section = page.partition(f"## {rule['alert']}\n")[2].partition("\n## ")[0]
    for part in ("**Meaning.**", "**Look at.**", "**Do.**"):
        assert part in section, f"the runbook's section {rule['alert']} has no {part}"
    assert f"({rule['labels']['severity']})" in section


def test_the_runbook_has_no_section_without_a_rule() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert set(re.findall(r"^## (Tagger\w+)$", page, flags=re.M)) == {rule["alert"] for rule in RULES}
