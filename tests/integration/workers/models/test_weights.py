"""Weights are downloaded completely and once. Broken files are downloaded again. Every error says what to do."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.house import called

from tagger.errors import BadRequest, ModelDirectoryInvalid, StorageUnavailable, WeightsNotFetched
from workers.models.weights import KNOWN, Source, ensure, pull
from workers.models.weights.catalog import known
from workers.models.weights.manifest import MANIFEST_FILE, Manifest

OFA = KNOWN["ofa-caption"]
FILES = {
    "configuration.json": b"{}",
    "config.json": b"{}",
    "vocab.json": b"{}",
    "merges.txt": b"a b",
    "pytorch_model.bin": b"w" * 999,
}


class FakeHub:
    """Writes the files, after as many failures as it is told; each failed try leaves the first two files."""

    def __init__(self, *failures: Exception, files: dict[str, bytes] = FILES) -> None:
        self.failures = list(failures)
        self.files = files
        self.asked: list[tuple[str, str]] = []
        self.kept: list[set[str]] = []  # what was there at the start of each try

    def fetch(self, repository: str, revision: str, folder: Path) -> None:
        self.asked.append((repository, revision))
        self.kept.append({path.name for path in folder.iterdir()})
        for number, (name, content) in enumerate(self.files.items()):
            if self.failures and number == 2:
                raise self.failures.pop(0)
            (folder / name).write_bytes(content)
        (folder / ".msc").write_bytes(b"the hub's own notes")


def source(hub: FakeHub) -> Source:
    return Source(hub=hub, pause=lambda _seconds: None)


def mirror_of(root: Path, files: dict[str, bytes] = FILES) -> Path:
    folder = root / OFA.repository
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return root


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    hub = FakeHub()
    folder = pull(OFA, tmp_path, source(hub))
    assert pull(OFA, tmp_path, source(hub)) == ensure(OFA, tmp_path, source(hub)) == folder
    assert hub.asked == [(OFA.repository, "v1.0.1")]
    assert {path.name for path in folder.iterdir()} == {*FILES, MANIFEST_FILE}
    assert json.loads((folder / MANIFEST_FILE).read_text())["files"]["merges.txt"]["bytes"] == 3


def test_a_broken_line_is_tried_again_and_goes_on_where_it_was(tmp_path: Path) -> None:
    hub = FakeHub(ConnectionError("reset"), TimeoutError("slow"))
    assert pull(OFA, tmp_path, source(hub)).is_dir()
    assert hub.kept == [set(), {"configuration.json", "config.json"}, {"configuration.json", "config.json"}]


def test_no_network_is_one_clear_error_and_the_next_pull_goes_on(tmp_path: Path) -> None:
    hub = FakeHub(*[ConnectionError("no route") for _ in range(5)])
    with pytest.raises(WeightsNotFetched, match=r"ofa-caption.*no route") as caught:
        pull(OFA, tmp_path, source(hub))
    assert "model_mirror" in caught.value.info().remedy
    assert not (tmp_path / "ofa-caption").exists()  # nothing half there
    pull(OFA, tmp_path, source(hub))
    assert hub.kept[-1] == {"configuration.json", "config.json"}


def test_a_full_disk_is_not_tried_again(tmp_path: Path) -> None:
    hub = FakeHub(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(StorageUnavailable, match="No space for ofa-caption"):
        pull(OFA, tmp_path, source(hub))
    assert len(hub.asked) == 1


def test_a_disk_that_fills_up_at_the_very_end_leaves_no_half_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "write", full)
        with pytest.raises(StorageUnavailable, match="No space for ofa-caption"):
            pull(OFA, tmp_path, source(FakeHub()))
    assert not (tmp_path / "ofa-caption").exists()
    assert pull(OFA, tmp_path, source(FakeHub())).is_dir()


def test_a_corrupt_folder_is_cleared_and_fetched_again(tmp_path: Path) -> None:
    hub = FakeHub()
    folder = pull(OFA, tmp_path, source(hub))
    (folder / "pytorch_model.bin").write_bytes(b"x" * 999)  # the same size
    assert pull(OFA, tmp_path, source(hub)) == folder
    assert (folder / "pytorch_model.bin").read_bytes() == FILES["pytorch_model.bin"]
    (folder / "vocab.json").write_bytes(b"")
    assert ensure(OFA, tmp_path, source(hub)) == folder
    assert (folder / "vocab.json").read_bytes() == b"{}"
    assert len(hub.asked) == 3


def test_what_arrives_corrupt_is_fetched_once_more_and_then_refused(tmp_path: Path) -> None:
    good = pull(OFA, tmp_path, source(FakeHub()))
    (good / "merges.txt").unlink()
    other = FakeHub(files={**FILES, "pytorch_model.bin": b"z" * 999})  # the branch moved: other weights under one name
    with pytest.raises(WeightsNotFetched, match=r"pytorch_model.bin: SHA-256 is .* twice"):
        pull(OFA, tmp_path, source(other))
    assert len(other.asked) == 2


def test_weights_that_lack_a_file_are_refused(tmp_path: Path) -> None:
    hub = FakeHub(files={name: content for name, content in FILES.items() if name != "pytorch_model.bin"})
    with pytest.raises(WeightsNotFetched, match=r"model.safetensors or pytorch_model.bin: file is missing"):
        pull(OFA, tmp_path, source(hub))


def test_another_revision_replaces_the_folder(tmp_path: Path) -> None:
    hub = FakeHub()
    pull(OFA, tmp_path, source(hub))
    hub.files = {**FILES, "merges.txt": b"c d"}
    folder = pull(OFA, tmp_path, source(hub), revision="v2")
    assert (folder / "merges.txt").read_bytes() == b"c d"
    assert hub.asked[-1] == (OFA.repository, "v2")


def test_a_mirror_needs_no_hub_and_its_checksums_hold(tmp_path: Path) -> None:
    hub = FakeHub()
    mirror = mirror_of(tmp_path / "mirror")
    folder = pull(OFA, tmp_path / "a", replace(source(hub), mirror=mirror))
    assert {path.name for path in folder.iterdir()} == {*FILES, MANIFEST_FILE}
    (mirror / OFA.repository / MANIFEST_FILE).write_bytes((folder / MANIFEST_FILE).read_bytes())
    pull(OFA, tmp_path / "b", replace(source(hub), mirror=mirror))
    (mirror / OFA.repository / "pytorch_model.bin").write_bytes(b"y" * 999)
    with pytest.raises(WeightsNotFetched, match="SHA-256"):
        pull(OFA, tmp_path / "c", replace(source(hub), mirror=mirror))
    with pytest.raises(WeightsNotFetched, match=r"the mirror .* has neither"):
        pull(OFA, tmp_path / "d", replace(source(hub), mirror=tmp_path / "a" / "nothing"))
    assert hub.asked == []


def test_a_folder_put_there_by_hand_is_taken_as_it_is(tmp_path: Path) -> None:
    mirror_of(tmp_path / "x")
    (tmp_path / "x" / OFA.repository).rename(tmp_path / "ofa-caption")
    hub = FakeHub()
    assert ensure(OFA, tmp_path, source(hub)) == tmp_path / "ofa-caption"
    assert hub.asked == []


class CountingHub(FakeHub):
    def __init__(self, tally: Path) -> None:
        super().__init__()
        self.tally = tally

    def fetch(self, repository: str, revision: str, folder: Path) -> None:
        with self.tally.open("a") as file:
            file.write(f"{os.getpid()}\n")
        super().fetch(repository, revision, folder)


def one_worker(models: Path, tally: Path, gate: multiprocessing.synchronize.Barrier) -> None:  # type: ignore[name-defined]
    gate.wait(30)
    ensure(OFA, models, source(CountingHub(tally)))


def test_ten_workers_fetch_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(10)
    workers = [context.Process(target=one_worker, args=(tmp_path / "models", tmp_path / "tally", gate)) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 10
    assert len((tmp_path / "tally").read_text().splitlines()) == 1


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    folder = pull(OFA, tmp_path, source(FakeHub()))
    body = json.loads((folder / MANIFEST_FILE).read_text())
    body["files"]["../../etc/passwd"] = body["files"]["merges.txt"]
    (folder / MANIFEST_FILE).write_text(json.dumps(body))
    hub = FakeHub()
    ensure(OFA, tmp_path, source(hub))  # not followed: the folder counts as broken
    assert len(hub.asked) == 1


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="parrot"):
        known("parrot")


def tagger(home: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """In this process, which has torch: to import it took longer than the test."""
    return called("models", *argv, home=home, **env)


def test_the_command_line_pulls_lists_and_checks(tmp_path: Path) -> None:
    mirror = mirror_of(tmp_path / "mirror")
    pulled = tagger(tmp_path / "home", "pull", "ofa-caption", TAGGER_MODEL_MIRROR=str(mirror))
    assert pulled.returncode == 0, pulled.stderr
    listed = json.loads(tagger(tmp_path / "home", "list", "--json").stdout)["data"]
    assert {row["name"]: row["status"] for row in listed} == {"ofa-caption": "there", "ofa-entailment": "absent", "gme": "absent"}
    (tmp_path / "home" / "models" / "ofa-caption" / "pytorch_model.bin").write_bytes(b"x" * 999)
    checked = tagger(tmp_path / "home", "check", "ofa-caption")
    assert checked.returncode == 1
    assert "SHA-256" in checked.stderr
    assert "tagger models pull" in checked.stderr


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    told = tagger(tmp_path / "home", "pull", "gme", TAGGER_MODEL_MIRROR=str(tmp_path))
    assert told.returncode == 1
    assert "has neither gme nor iic/gme-Qwen2-VL-2B-Instruct" in told.stderr.replace("\n", " ")


def test_check_reads_keys_and_shapes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support import gme_cases

    gme_cases.directory(tmp_path / "models" / "gme")
    assert "whole" in tagger(tmp_path, "check", "gme", "--json").stdout
    (tmp_path / "models" / "gme" / "config.json").write_text("{}")
    told = tagger(tmp_path, "check", "gme")
    assert told.returncode == 1
    assert "model_type" in told.stderr


def test_a_broken_manifest_is_not_taken_for_a_whole_folder(tmp_path: Path) -> None:
    folder = pull(OFA, tmp_path, source(FakeHub()))
    (folder / MANIFEST_FILE).write_text("[]")
    from workers.models.weights import manifest

    with pytest.raises(ModelDirectoryInvalid):
        manifest.read(folder)
    ensure(OFA, tmp_path, source(hub := FakeHub()))
    assert len(hub.asked) == 1
