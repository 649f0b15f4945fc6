"""The engine and the stack of `make compose-test`: made once, used by every test in order, and removed whatever happens."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.stack import PROJECT, Stack, engine_env

HERE = Path(__file__).parent
NO_ENGINE = 3
KEPT = "COMPOSE_TEST_ENGINE"  # a folder: an engine that a person keeps between runs


@pytest.fixture(scope="session")
def engine() -> Iterator[Path]:
    """The folder of a running engine. Skips, with the reason in the summary, where no engine can run."""
    if "COMPOSE_TEST" not in os.environ:
        pytest.skip("run `make compose-test`: it starts a Docker engine where none runs")
    kept = os.environ.get(KEPT)
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="compose-test-"))  # short: a socket's path is limited
    try:
        began = time.monotonic()
        done = subprocess.run([HERE / "engine.sh", "up", folder], capture_output=True, text=True, timeout=420, check=False)
        if done.returncode == NO_ENGINE:
            pytest.skip(f"NO DOCKER ENGINE CAN RUN HERE, so docker-compose.yml was not tried: {done.stdout.strip()}")
        assert done.returncode == 0, done.stdout + done.stderr
        print(f"compose: engine ready after {time.monotonic() - began:.0f} s")
        yield folder
    finally:
        if not kept:
            subprocess.run([HERE / "engine.sh", "down", folder], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="session")
def images(engine: Path) -> Iterator[Stack]:
    """The image under test is built, and so are the images that the compose file pulls. Nothing runs."""
    with tempfile.TemporaryDirectory(prefix="compose-files-") as folder:
        made = Stack(folder=Path(folder), engine=engine_env(engine))
        made.down()  # of an earlier run that was killed
        made.prepare()
        with subprocess.Popen([HERE / "engine.sh", "parts", engine]) as parts:  # meanwhile
            made.image_bytes = made.build()
        assert parts.returncode == 0
        yield made


@pytest.fixture(scope="module")
def stack(images: Stack) -> Iterator[Stack]:
    """The whole stack, for the tests of one module."""
    made = images
    try:
        began = time.monotonic()
        made.up()
        made.ready_seconds = time.monotonic() - began
        made.add_site()
        yield made
    finally:
        logs = os.environ.get("COMPOSE_TEST_LOGS")
        if logs:
            Path(logs).write_text(made.compose("logs", "--no-color", "--timestamps", check=False))
        made.down()
        left = made.run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}")
        volumes = made.run("docker", "volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}")
        assert (left, volumes) == ("", ""), "the stack left something"
