"""`tagger conformance` against the two implementations that are ours in Python, and against ones with a fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import printed_receiver

from tagger.conformance.client import Client
from tagger.conformance.editor import Editor
from tagger.conformance.rules import RULES
from tagger.conformance.run import chosen, run
from tagger.conformance.trial import Trial
from tagger.net import signing

TESTS = Path(__file__).parents[2]
SECRET = signing.new_secret()
SECONDS = 120


def conformance(endpoint: str, editor: str, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the result of each rule."""
    command = [sys.executable, "-m", "tagger", "conformance", "--endpoint", endpoint, "--editor", editor, "--json", *more]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TAGGER_CALLBACK_SECRET": SECRET}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    return ended.returncode, {result["rule"]: result for result in json.loads(ended.stdout)["data"]}


def editor(name: str, url: str) -> str:
    return f"{sys.executable} -m support.editors.{name} {url}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("library")
    command = [sys.executable, "-m", "tagger.demo.media_library", "--home", str(home), "--hook-url", "http://127.0.0.1:9/"]
    secrets = {"MEDIA_LIBRARY_HOOK_SECRET": signing.new_secret(), "MEDIA_LIBRARY_CALLBACK_SECRETS": SECRET}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **secrets})
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    process.wait(SECONDS)
    process.stdout.close()


def test_the_media_library_passes_every_rule(library: str) -> None:
    status, results = conformance(library + "/tagger/callback", editor("media_library", library))
    assert {name: result["detail"] for name, result in results.items() if result["state"] != "passed"} == {}
    assert (status, len(results)) == (0, len(RULES))


def test_the_printed_receiver_passes_every_rule() -> None:
    with printed_receiver.serving([SECRET]) as url:
        status, results = conformance(url, editor("printed_receiver", url), "--races", "30")
    assert {name: result["detail"] for name, result in results.items() if result["state"] != "passed"} == {}
    assert (status, len(results)) == (0, len(RULES))


FAULTS: dict[str, tuple[str, str]] = {  # rule → a line of the printed receiver, and the line with a fault
    "signature": ("any(hmac.compare_digest(one, other) for one in wanted for other in given)", "given"),
    "age": ("<= 300", "<= 300_000"),
    "written": ('"previous": value}', "}"),
    "replay": ('**({"previous": replaced} if by == delivery else {})', ""),
    "sequence": ('data["sequence"] <= asset["sequence"]', "False"),
    "kept": ('if writer == "person":', "if False:"),
    "gone": ('{"outcome": "gone"}', '{"outcome": "kept"}'),
    "sanitised": ('re.sub(r"<[^>]*>", "", offer["value"])', 'offer["value"]'),
    "proposals": ('asset["proposals"] = data.get("proposals", {})', 'asset["proposals"] = propose(asset, data)'),
    "tag-typed": ('and same(tag["label"]) not in there', ""),
    "tag-removed": ('tag["id"] not in offered and', ""),
    "paging": ("key > (query", "key >= (query"),
    "listing": ('"writer": writer', '"writer": "unknown"'),
    "revert": ('del asset["fields"][place]', "pass"),
    "revert-kept": ('if writer != "tagger" or hash_of(value) not in offer["if_current"]["in"]:', "if False:"),
}

PROPOSE = """
def propose(asset, data):
    for field, offers in data.get("proposals", {}).items():
        for locale, offer in offers.items():
            asset["fields"][(field, locale)] = (offer["value"], "tagger")
    return {}
"""


@pytest.mark.parametrize("rule", FAULTS)
def test_a_rule_finds_the_fault_that_it_is_for(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail is none."""
    line, wrong = FAULTS[rule]
    program: dict[str, Any] = {}
    source = printed_receiver.source()
    assert line in source
    exec(compile(source.replace(line, wrong) + PROPOSE, "docs/protocol.md", "exec"), program)
    monkeypatch.setattr(printed_receiver, "printed", lambda: program)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    with (
        printed_receiver.serving([SECRET]) as url,
        Editor(editor("printed_receiver", url)) as person,
        Client(url, [SECRET]) as client,
    ):
        [result] = run(Trial(client=client, editor=person, locale="en", races=1), chosen([rule]))
    assert result.state == "failed", result
