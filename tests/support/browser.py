"""Headless Chromium for the tests of pages.

Without a browser a test skips at home and fails with CI=true, because a skipped test would look like a passed one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip


def found() -> str:
    """The browser's path."""
    browser = next((path for name in NAMES if (path := shutil.which(name))), None)
    if browser is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no browser: install chromium")
        pytest.skip("no browser on this machine")
    return browser


def dumped_page(page: Path, profile: Path) -> str:
    """The document of `page` after its scripts ran, as text."""
    command = [found(), *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
