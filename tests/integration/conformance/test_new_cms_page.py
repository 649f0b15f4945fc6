"""docs/new-cms.md: the folder that the page builds passes every rule, and fails one if its lock is left out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.conformance.rules import RULES
from tagger.net import signing

DOCS = Path(__file__).parents[3] / "docs"
SECRET = "whsec_dGhpcyBpcyBvbmx5IGZvciBhIHRlc3Qu"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), flags=re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    [receiver] = [block for block in blocks("protocol.md") if "def receive(" in block]
    for name, code in zip(["cms.py", "editor.py", "hook.py"], blocks("new-cms.md"), strict=True):
        (tmp_path / name).write_text(code, "utf-8")
    (tmp_path / "receiver.py").write_text(receiver, "utf-8")
    return tmp_path


def test_the_folder_of_the_page_passes_every_rule(folder: Path) -> None:
    served = subprocess.Popen(
        [sys.executable, "cms.py", "pictures.sqlite", SECRET], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        editor = f"{sys.executable} {folder / 'editor.py'} {url}"
        command = [sys.executable, "-m", "tagger", "conformance", "--endpoint", url, "--editor", editor, "--json", "--races", "6"]
        environment = {**os.environ, "TAGGER_CALLBACK_SECRET": SECRET}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    finally:
        served.terminate()
        served.wait(60)
        served.stdout.close()
    results = json.loads(ended.stdout)["data"]
    assert {result["rule"]: result["detail"] for result in results if result["state"] != "passed"} == {}
    assert (len(results), ended.returncode) == (len(RULES), 0)


def test_the_hook_of_the_page_is_signed_as_tagger_wants_it(folder: Path) -> None:
    known: dict[str, object] = {}
    exec(compile((folder / "hook.py").read_text("utf-8"), "hook.py", "exec"), known)
    request = known["hook"]("http://tagger.test/v1/hooks/blog", SECRET, "evt_1", "asset.created", {"asset": {"id": "1"}})  # type: ignore[operator]
    headers = {name.lower(): value for name, value in request.header_items()}
    signing.verify([SECRET], headers, request.data, int(headers["webhook-timestamp"]))
    assert json.loads(request.data)["type"] == "asset.created"
