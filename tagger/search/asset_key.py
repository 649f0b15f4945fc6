"""The name of an asset in a list that must not tell which asset it was."""

from __future__ import annotations

import hashlib


def asset_key(site_id: str, asset_id: str) -> str:
    return hashlib.sha256(f"{site_id}\0{asset_id}".encode("utf-8", "surrogatepass")).hexdigest()
