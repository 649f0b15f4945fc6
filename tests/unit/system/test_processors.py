"""How many processors a container may use: trees of control groups as Kubernetes, Docker and systemd make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagger.system import cpus
from tagger.system.cpus import processors, quota


def group(root: Path, path: str, limit: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(limit + "\n")


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "cgroup"
    file.write_text(text)
    return file


def test_a_container_sees_its_own_quota_at_the_root(tmp_path: Path) -> None:
    group(tmp_path / "fs", "", "150000 100000")
    assert quota(tmp_path / "fs", own(tmp_path, "0::/\n")) == 1.5


def test_the_least_quota_on_the_way_up_holds(tmp_path: Path) -> None:
    group(tmp_path / "fs", "kubepods/pod7/main", "max 100000")
    group(tmp_path / "fs", "kubepods/pod7", "200000 100000")
    group(tmp_path / "fs", "kubepods", "6000000 100000")
    group(tmp_path / "fs", "other", "1000 100000")
    assert quota(tmp_path / "fs", own(tmp_path, "0::/kubepods/pod7/main\n")) == 2.0


@pytest.mark.parametrize("limit", ["max 100000", "", "0", "x 100000", "100000 0"])
def test_no_limit_and_nonsense_limit_nothing(tmp_path: Path, limit: str) -> None:
    group(tmp_path / "fs", "", limit)
    assert quota(tmp_path / "fs", own(tmp_path, "0::/\n")) is None


def test_without_such_groups_nothing_is_limited(tmp_path: Path) -> None:
    group(tmp_path, "", "100000 100000")  # around all groups: nobody's
    group(tmp_path / "fs", "", "200000 100000")
    assert quota(tmp_path / "fs", own(tmp_path, "4:cpu,cpuacct:/docker/x\n")) is None
    assert quota(tmp_path / "fs", tmp_path / "absent") is None
    assert quota(tmp_path / "fs", own(tmp_path, "0::/../../elsewhere\n")) == 2.0


def test_a_share_of_a_processor_is_one_and_a_quota_over_the_machine_is_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "quota", lambda: None)
    all_of_it = processors()
    for granted, found in ((0.25, 1), (0.0, 1), (1.5, min(2, all_of_it)), (4096.0, all_of_it)):
        monkeypatch.setattr(cpus, "quota", lambda granted=granted: granted)
        assert processors() == found
