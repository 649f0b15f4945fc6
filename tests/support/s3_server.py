"""An S3 server for tests: moto's, in its own process, on a free port of the loopback address.

`S3_TEST_ENDPOINT=http://…` takes a server that runs already and knows the credentials of this module.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from typing import Any

import botocore.session
import pytest
import urllib3
from botocore.config import Config

ACCESS, SECRET = "test-access-key", "test-secret-key"
READY_SECONDS = 60.0


class S3Server:
    """`stop` and `start` keep the port, so a client meets a store that went away and came back. moto forgets its objects."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = os.environ.get("S3_TEST_ENDPOINT") or f"http://127.0.0.1:{self.port}"

    @property
    def is_ours(self) -> bool:
        """Whether this test may stop it."""
        return "S3_TEST_ENDPOINT" not in os.environ

    def start(self) -> None:
        if self.is_ours:
            self._process = subprocess.Popen(self._argv(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _await(self.endpoint)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It accepts connections and answers nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def bucket(self, name: str = "") -> str:
        """The name of a bucket, made if there is none."""
        name = name or f"b{uuid.uuid4().hex[:16]}"
        self.client().create_bucket(Bucket=name)
        return name

    def client(self) -> Any:
        keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET}
        config = Config(s3={"addressing_style": "path"})
        session = botocore.session.get_session()
        return session.create_client("s3", region_name="us-east-1", endpoint_url=self.endpoint, config=config, **keys)

    def _argv(self) -> list[str]:
        program = "from moto.server import main; main()"
        return [sys.executable, "-W", "ignore", "-c", program, "-H", "127.0.0.1", "-p", str(self.port)]


def _await(endpoint: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            urllib3.request("GET", endpoint, retries=False, timeout=2)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"no S3 server answers at {endpoint}")
