"""The API's description holds: schemathesis finds no answer that it does not tell of; its pages need nobody else's server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from integration.api.test_api_socket import KEY, Server

HERE = Path(__file__).parent
EXAMPLES = "8"  # of each operation and phase
SECONDS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("openapi"), describe_wait_seconds=0.05, check="fake")
    yield made
    made.close()


@pytest.mark.parametrize(("key", "only"), [(KEY, ()), ("operator", ("--include-path", "/v1/sites"))], ids=["site", "operator"])
def test_schemathesis_finds_nothing(server: Server, key: str, only: tuple[str, ...], tmp_path: Path) -> None:
    """A site's key on every route, and the operator's where a site's is refused."""
    options = {
        "--seed": "1", "--max-examples": EXAMPLES, "--request-timeout": "30", "--generation-allow-x00": "false",
    }  # fmt: skip
    arguments = [part for option in options.items() for part in option]
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    done = subprocess.run(
        [*program, f"{server.url}/openapi.json", *arguments, *only, "--no-color", "--generation-deterministic"],
        env={**os.environ, "TAGGER_KEY": key, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "schemathesis_hooks"},
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    assert server.answers()


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_needs_no_other_server_and_no_inline_script(server: Server, page: str) -> None:
    answer = requests.get(server.url + page, timeout=20)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    found = re.findall(r'(?:src|href|spec-url)="([^"]+)"', answer.text)
    assert len(found) >= 4
    assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)
    for target in found:
        assert not target.startswith(("http", "//", "/")), "relative, so that it works below a proxy's prefix"
        assert requests.get(urljoin(server.url + page, target), timeout=20).status_code == 200


def test_everything_is_told(server: Server) -> None:
    document = requests.get(server.url + "/openapi.json", timeout=20).json()
    problems = {"400", "401", "403", "404", "409", "413", "422", "429", "503"}
    told = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    }
    assert told >= problems
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status == "204" or path == "/metrics":
                    continue
                schemas = [content.get("schema") for content in answer["content"].values()]
                assert all(schemas), (method, path, status)
                assert all(schema != {"type": "object"} for schema in schemas), (method, path, status)
            if method in ("post", "put") and not path.endswith(("cancel", "pause", "resume")):
                assert operation["requestBody"]["content"], path
    assert set(document["webhooks"]) >= {"asset.described", "asset.failed", "operator.event"}
