"""`tagger sites probe`: what a CMS says that it can do is stored, and shown by `sites show` and `doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import printed_receiver

from tagger.ledger import open_ledger
from tagger.settings import load


def tagger(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TAGGER_HOME": str(home), "TAGGER_API_PORT": "0"}
    command = [sys.executable, "-m", "tagger", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_what_a_cms_can_do_is_asked_stored_and_shown(tmp_path: Path) -> None:
    secrets: list[str] = []
    with printed_receiver.serving(secrets) as url:
        add = ["sites", "add", "blog", "--endpoint", url, "--allow-private", "--locale", "en", "--locale", "de", "--json"]
        secrets.append(json.loads(tagger(tmp_path, *add).stdout)["callback_secret"])
        assert json.loads(tagger(tmp_path, "sites", "show", "blog").stdout)["capabilities"] is None
        asked = tagger(tmp_path, "sites", "probe", "blog")
        assert asked.returncode == 0, asked.stderr
        assert "Example 1.0" in asked.stdout
        assert "compared and written in one step" in asked.stdout
    shown = json.loads(tagger(tmp_path, "sites", "show", "blog").stdout)
    assert (shown["capabilities"]["cms"], shown["capabilities"]["strict"]) == ("Example", True)
    assert shown["probed_at"] is not None
    [finding] = [f for f in json.loads(tagger(tmp_path, "doctor", "--json").stdout)["data"] if f["what"] == "Site blog"]
    assert (finding["state"], "no field for de" in finding["detail"]) == ("warning", True)
    assert "tagger sites set blog --locale en" in finding["remedy"]
    away = tagger(tmp_path, "sites", "probe", "blog")
    assert (away.returncode, "refused" in away.stdout.lower() or "connect" in away.stdout.lower()) == (1, True), away.stdout
    ledger = open_ledger(load({"TAGGER_HOME": str(tmp_path)}).ledger)
    assert ledger.capabilities_of("blog")[0] is not None, "a CMS that is away is not one that can do nothing"
    ledger.close()
