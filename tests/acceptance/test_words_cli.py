"""`tagger vocabulary` and `tagger evaluate` as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from acceptance.house import ROOT, called

PHOTOS = ROOT / "tagger" / "demo" / "photos"
BAD = """vocabulary: x
version: 1
categories:
  a:
    lables: {en: A}
    terms:
      cat: {labels: {en: cat}, threshold: 2}
"""
OWN = """vocabulary: own
version: 1
categories:
  thing:
    terms:
      cat: {labels: {en: cat, zh-Hans: 猫}}
      justice: {labels: {en: justice}}
"""


def tagger(home: Path, *args: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = called(*map(str, args), home=home / "home")
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def tagger_process(home: Path, *args: object, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: for what depends on its folder, its encoding or its terminal."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TAGGER_")} | {"TAGGER_HOME": str(home / "home")}
    env |= variables
    argv = [sys.executable, *(["-P"] if cwd != ROOT else []), "-m", "tagger", *map(str, args)]
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_check_names_line_column_reason_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD, "utf-8")
    done = tagger(tmp_path, "vocabulary", "check", tmp_path / "bad.yaml", expect=1)
    assert "line 5, column 5: `lables` is not allowed here. Did you mean `labels`?" in done.stderr
    assert "line 7, column 43: 2 is greater than the maximum of 1. A probability between 0 and 1." in done.stderr
    told = json.loads(tagger(tmp_path, "vocabulary", "check", tmp_path / "bad.yaml", "--json", expect=1).stdout)
    assert told["valid"] is False
    assert [e["pointer"] for e in told["error"]["errors"]] == ["/categories/a/lables", "/categories/a/terms/cat/threshold"]


def test_check_warns_of_terms_that_the_models_cannot_reach_and_of_missing_labels(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, "utf-8")
    done = tagger(tmp_path, "vocabulary", "check", tmp_path / "own.yaml", "--locale", "zh-Hans", "--json")
    warnings = json.loads(done.stdout)["warnings"]
    assert len(warnings) == 2
    assert any(w.startswith("`justice` will never be offered") for w in warnings)
    assert any("`justice` has no label for zh-Hans" in w for w in warnings)


def test_files_of_the_current_folder_are_not_run_by_the_processes_that_a_command_starts(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, "utf-8")
    for name in ("json", "structlog"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\nraise SystemExit('planted')\n", "utf-8")
    tagger_process(tmp_path, "vocabulary", "check", "own.yaml", cwd=tmp_path)
    assert not (tmp_path / "ran").exists()


def test_an_output_that_is_not_unicode_gets_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, "utf-8")
    show = ("vocabulary", "show", tmp_path / "own.yaml", "--locale", "zh-Hans")
    assert "\\u732b" in tagger_process(tmp_path, *show, PYTHONIOENCODING="ascii").stdout
    told = json.loads(tagger_process(tmp_path, *show, "--json", PYTHONIOENCODING="ascii").stdout)
    assert told["data"][0]["label"] == "猫"


def test_a_width_of_nothing_is_a_width_that_nobody_knows(tmp_path: Path) -> None:
    assert "TAGGER_HOME" in tagger_process(tmp_path, "config", "show", COLUMNS="0").stdout


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    tagger(tmp_path, "vocabulary", "export", "travel", tmp_path / "travel.ttl")
    done = tagger(tmp_path, "vocabulary", "import", tmp_path / "travel.ttl", f"{'o' * 300}.yaml", expect=1)
    assert "File name too long." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_vocabulary_goes_out_as_skos_and_comes_back_the_same(tmp_path: Path) -> None:
    tagger(tmp_path, "vocabulary", "export", "travel", tmp_path / "travel.jsonld")
    tagger(tmp_path, "vocabulary", "import", tmp_path / "travel.jsonld", tmp_path / "back.yaml")
    told = json.loads(tagger(tmp_path, "vocabulary", "diff", "travel", tmp_path / "back.yaml", "--json").stdout)
    assert told == {"added": [], "removed": [], "changed": {}, "warnings": []}


def test_build_keeps_the_vectors_by_model_and_content(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, "utf-8")
    first = json.loads(tagger(tmp_path, "vocabulary", "build", tmp_path / "own.yaml", "--json").stdout)
    file = Path(first["file"])
    assert (first["texts"], first["dimensions"]) == (2, 384)
    assert file.name.startswith(first["model"].replace("@", "-"))
    assert file.is_file()


def test_show_speaks_the_readers_language(tmp_path: Path) -> None:
    rows = json.loads(tagger(tmp_path, "vocabulary", "show", "general", "--locale", "zh-Hans", "--json").stdout)["data"]
    assert {"猫", "建筑物"} <= {row["label"] for row in rows}


def test_an_unknown_vocabulary_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    done = tagger(tmp_path, "vocabulary", "show", "nosuch", expect=1)
    assert "There is no vocabulary `nosuch`." in done.stderr
    assert "one of ecommerce, general" in done.stderr


def test_evaluate_measures_compares_and_shows(tmp_path: Path) -> None:
    told = (ROOT / "tests" / "data" / "photos.csv").read_text("utf-8").splitlines(keepends=True)
    labels, out = tmp_path / "labels.csv", tmp_path / "out"
    labels.write_text("".join(told[:1] + told[-4:]), "utf-8")
    args = ["--images", PHOTOS, "--labels", labels, "--tags-from-labels", "--tuned", "first-half"]
    first = tagger(tmp_path, "evaluate", *args, "--out", out)
    assert "untuned (2 images" in first.stdout
    assert "alt texts that break a text rule 0 of" in first.stdout
    for name in ("precision", "recall", "top-1", "top-3", "calibration error", "CIDEr-D"):
        assert name in first.stdout
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<img ") == 4
    assert "data:image/jpeg;base64," in page
    assert "close-up of a tabby cat face" in page, "the reference stands beside the model's words"
    ET.parse(out / "reliability.svg")

    second = tagger(tmp_path, "evaluate", *args, "--out", tmp_path / "again", "--compare", out / "results.json", "--json")
    now, before = json.loads(second.stdout)["data"]
    assert (now["name"], before["name"]) == ("general", "general (earlier)")
    assert now["models"] == before["models"]
    for name, figures in now["sets"].items():
        for key in ("images", "precision", "recall", "cider", "alt_texts", "broken_alt_texts"):
            assert figures[key] == before["sets"][name][key], "the same models say the same of the same images"


def test_evaluate_compares_only_runs_over_the_same_images(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,true_tags\nsk_coffee.png,coffee\n", "utf-8")
    earlier = {"name": "general", "models": [], "terms": ["coffee"], "answers": {}, "failed": {}, "broken_alt_texts": {}}
    (tmp_path / "results.json").write_text(json.dumps({"trials": [earlier]}), "utf-8")
    args = ["--images", PHOTOS, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "out"]
    done = tagger(tmp_path, "evaluate", *args, "--compare", tmp_path / "results.json", expect=1)
    assert "has no result for sk_coffee.png" in done.stderr
    done = tagger(tmp_path, "evaluate", *args, "--compare", tmp_path / "labels.csv", expect=1)
    assert "is not a result of `tagger evaluate`" in done.stderr


def test_evaluate_says_what_is_wrong_with_its_input(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,true_tags\nnone.jpg,cat\n", "utf-8")
    done = tagger(tmp_path, "evaluate", "--images", PHOTOS, "--labels", tmp_path / "labels.csv", "--out", tmp_path, expect=1)
    assert "1 of 1 labelled images are not in" in done.stderr
    assert "--images" in done.stderr
