"""One version everywhere: in the package, its metadata, the image, the chart and the changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tagger

ROOT = Path(__file__).parents[3]


def test_every_place_names_the_same_version() -> None:
    def named(file: str, pattern: str) -> set[str]:
        return set(re.findall(pattern, (ROOT / file).read_text("utf-8"), flags=re.M))

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert project == tagger.__version__
    assert named("Dockerfile", r"^ARG VERSION=(\S+)$") == {project}
    assert named("helm/tagger/Chart.yaml", r"^appVersion: (\S+)$") == {project}
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)[0] == project
