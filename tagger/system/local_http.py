"""Requests to our own processes on this machine."""

from __future__ import annotations

import requests


def local_session() -> requests.Session:
    """Never by a proxy that the environment names."""
    session = requests.Session()
    session.trust_env = False
    return session
