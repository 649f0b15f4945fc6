"""Which folder a command means: an empty path, a folder without tagger, and files in the home that cannot be used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from acceptance.house import called, tagger, told
from tagger.catalog import vocabulary_file
from tagger.system.home import lock_home, write_state

READING = [
    ["status"], ["jobs", "list"], ["jobs", "show", "job_1"], ["deliveries", "list"], ["dead-letters", "list"], ["sites", "list"],
    ["keys", "list", "--site", "blog"], ["backfill", "list"], ["config", "show"], ["config", "profiles"],
    ["vocabulary", "show", "news"], ["dead-letters", "replay", "--all"], ["deliveries", "replay", "--all"],
    ["jobs", "cancel", "job_1"], ["sites", "pause", "blog", "--writes"], ["purge", "--older-than", "1", "--yes"],
    ["keys", "create", "--site", "blog"],
]  # fmt: skip
NEEDS_NO_LEDGER = ("config", "vocabulary")


@pytest.mark.parametrize("words", READING, ids=[" ".join(words[:2]) for words in READING])
@pytest.mark.parametrize("there", [False, True], ids=["no such folder", "another folder"])
def test_a_command_makes_no_ledger_where_there_is_no_tagger(tmp_path: Path, words: list[str], there: bool) -> None:
    home = tmp_path / "Pictures"
    if there:
        home.mkdir()
    for how in ({"home": home}, {"home": tmp_path / "unused", "args": ["--home", str(home)]}):
        done = called(*how.get("args", []), *words, home=how["home"])  # type: ignore[misc,arg-type]
        if words[0] not in NEEDS_NO_LEDGER:
            assert done.returncode == 1
            assert f"There is no tagger in {home}." in done.stderr
            assert "tagger up" in done.stderr
            assert "--home" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
        assert sorted(tmp_path.rglob("*")) == ([home] if there else [])


def test_the_doctor_looks_at_a_folder_that_is_not_there_and_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    findings = {found["what"]: found for found in told("doctor", home=home, TAGGER_API_PORT="0")["data"]}
    assert (findings["Home"]["state"], findings["Home"]["detail"]) == ("warning", f"there is no tagger in {home}")
    assert "tagger up" in findings["Home"]["remedy"]
    assert not home.parent.exists()


def test_the_first_site_makes_the_home(tmp_path: Path) -> None:
    assert called("sites", "add", "blog", home=tmp_path / "home").returncode == 0
    assert told("status", home=tmp_path / "home")["jobs"] == {}


EMPTY = [["--home", "", "status"], ["backfill", "start", "--site", "s", "--folder", ""], ["describe", "", "--out", "a.csv"],
         ["describe", ".", "--out", ""], ["backup", ""], ["vocabulary", "export", "news", ""]]  # fmt: skip


@pytest.mark.parametrize("words", EMPTY, ids=[" ".join(word or "empty" for word in words) for words in EMPTY])
def test_an_empty_path_is_not_the_folder_that_the_command_runs_in(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = called(*words, home=tmp_path / "home")
    assert done.returncode == 2
    assert "it is empty" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_variable_names_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["status"], ["sites", "add", "blog"], ["doctor"]):
        done = called(*words, home="")
        assert (done.returncode, "TAGGER_HOME is empty" in done.stderr) == (1, True), words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"not a database, but a note of mine\n", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_ledger_that_is_no_database_is_named_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(content)
    for words in (["status"], ["jobs", "list"], ["sites", "add", "blog"]):
        done = called(*words, home=tmp_path)
        assert done.returncode == 1
        assert "ledger_damaged" in done.stderr, done.stderr
        assert "restore a backup" in done.stderr
        assert "Traceback" not in done.stderr
    found = called("doctor", "--json", home=tmp_path, TAGGER_API_PORT="0")
    broken = {finding["what"]: finding for finding in json.loads(found.stdout)["data"]}["Ledger"]
    assert (found.returncode, broken["state"], "restore a backup" in broken["remedy"]) == (1, "broken", True)
    done = tagger("up", home=tmp_path, TAGGER_API_PORT="0")
    assert (done.returncode, "ledger_damaged" in done.stderr) == (1, True), done.stderr
    assert (tmp_path / "ledger.sqlite").read_bytes() == content, "it is somebody's file"


@pytest.mark.parametrize("kind", ["folder", "fifo"])
@pytest.mark.parametrize("named", [False, True], ids=["in the home", "by the variable"])
def test_settings_that_are_no_file_are_refused_and_not_waited_for(tmp_path: Path, kind: str, named: bool) -> None:
    file = tmp_path / "tagger.toml"
    file.mkdir() if kind == "folder" else os.mkfifo(file)
    done = called("config", "show", home=tmp_path, **({"TAGGER_CONFIG": str(file)} if named else {}))
    assert done.returncode == 1
    assert f"{file} is {'a folder' if kind == 'folder' else 'no plain file'}" in done.stderr


@pytest.mark.parametrize("group", ["vocabularies", "profiles"])
def test_words_that_are_no_file_are_refused_and_not_waited_for(tmp_path: Path, group: str) -> None:
    (tmp_path / group).mkdir()
    os.mkfifo(tmp_path / group / "mine.yaml")
    done = called("config", "profiles", home=tmp_path)
    assert done.returncode == 1
    assert "mine.yaml is no plain file" in done.stderr


def newsroom(name: str = "newsroom") -> str:
    return vocabulary_file.dump(vocabulary_file.built_in("news")).replace("vocabulary: news", f"vocabulary: {name}")


@pytest.mark.parametrize("ending", [".yml", ".YAML", ".Yml"])
def test_a_vocabulary_may_end_in_yml(tmp_path: Path, ending: str) -> None:
    (tmp_path / "vocabularies").mkdir()
    (tmp_path / "vocabularies" / f"newsroom{ending}").write_text(newsroom(), "utf-8")
    assert told("vocabulary", "show", "newsroom", home=tmp_path)["data"]
    profile = {"profile": "desk", "version": 1, "vocabulary": "newsroom", "instruction": "Describe the news."}
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / f"desk{ending}").write_text(yaml.safe_dump(profile), "utf-8")
    assert "desk" in {row["name"] for row in told("config", "profiles", home=tmp_path)["data"]}


def test_two_files_of_one_vocabulary_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "vocabularies").mkdir()
    for name in ("newsroom.yaml", "newsroom.yml"):
        (tmp_path / "vocabularies" / name).write_text(newsroom(), "utf-8")
    done = called("vocabulary", "show", "newsroom", home=tmp_path)
    assert done.returncode == 1
    assert "newsroom.yaml and newsroom.yml both hold" in done.stderr


def test_the_doctor_names_words_that_are_not_read(tmp_path: Path) -> None:
    called("sites", "add", "blog", home=tmp_path)
    for name in ("vocabularies/terms.ttl", "vocabularies/README.md", "vocabularies/._x.yaml", "catalog/profiles/old.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    findings = {found["what"]: found for found in told("doctor", home=tmp_path, TAGGER_API_PORT="0")["data"]}
    assert findings["Vocabularies"]["state"] == "warning"
    assert findings["Vocabularies"]["detail"] == "not read: vocabularies/terms.ttl, catalog/profiles/old.yaml"


@pytest.mark.parametrize(
    ("phase", "says", "remedy"),
    [("starting", "is starting", "Wait until"), ("draining", "is stopping", "again when it has stopped")],
)
def test_a_stack_that_starts_or_ends_is_told_as_such(tmp_path: Path, phase: str, says: str, remedy: str) -> None:
    called("sites", "add", "blog", home=tmp_path)
    with lock_home(tmp_path):
        if phase == "draining":  # while it starts, `stack.json` may not be there yet
            write_state(tmp_path, {"supervisor": 1, "api": "http://127.0.0.1:1", "children": {}, "phase": phase})
        seen = called("status", home=tmp_path).stdout
        assert seen.startswith(f"Stack      {says}")
        assert "Start `tagger up`" not in seen
        assert told("status", home=tmp_path)["phase"] == phase
        found = {finding["what"]: finding for finding in told("doctor", home=tmp_path, TAGGER_API_PORT="0")["data"]}
        assert (found["Stack"]["state"], remedy in found["Stack"]["remedy"]) == ("warning", True)
        assert "API" not in found
        second = tagger("up", home=tmp_path)
        assert (second.returncode, "still stopping" in second.stderr) == (1, phase == "draining")
    assert called("status", home=tmp_path).stdout.startswith("Stack      does not run here")


@pytest.mark.parametrize("command", ["jobs", "deliveries"])
def test_a_value_that_is_not_known_is_told_in_plain_words(tmp_path: Path, command: str) -> None:
    called("sites", "add", "blog", home=tmp_path)
    done = called(command, "list", "--status", "bogus", home=tmp_path)
    assert (done.returncode, "'bogus' is not one of" in done.stderr, "Value error" in done.stderr) == (2, True, False)
    done = called(command, "list", "--cursor", "xx", home=tmp_path)
    assert (done.returncode, "--cursor 'xx' is no id" in done.stderr) == (1, True)


def test_a_host_that_has_no_address_is_told(tmp_path: Path) -> None:
    for words in (["api"], ["up"]):
        done = tagger(*words, home=tmp_path, TAGGER_API_HOST="nowhere.invalid", TAGGER_API_PORT="8400")
        assert (done.returncode, "settings_invalid" in done.stderr) == (1, True), done.stderr
        assert "'nowhere.invalid' is no address of this machine" in done.stderr
        assert "Traceback" not in done.stderr
