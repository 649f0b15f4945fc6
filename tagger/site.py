"""Site: one CMS instance, with what it may do; and the keys that speak for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Site:
    id: str  # chosen by the operator: "[a-z0-9][a-z0-9-]{0,62}"
    name: str
    cms: str = "generic"  # whose hooks it sends and whose answers it gives: a key of tagger/cms/registry.py
    profile: str = "general"
    locales: tuple[str, ...] = ("en",)
    vocabulary: str | None = None  # overrides the profile's
    allowed_hosts: tuple[str, ...] = ()  # hosts whose private addresses may be fetched ("cms.lan", "127.0.0.1:8090")
    writes_paused: bool = False  # stops every write to this site at once
    hook_secrets: tuple[str, ...] = ()  # secrets that sign this site's own hooks to us, newest first
    tell_unwritten: bool = True  # send `asset.described` also when nothing is to be written
    tell_failed: bool = True  # send `asset.failed` for a job that is dead
    max_open_jobs: int | None = None  # further requests get 429; None: no limit
    max_bytes_a_day: int | None = None  # of uploads, by the UTC day; None: no limit
    fetch_auth: str | None = None  # an Authorization header for the allowed hosts only; in clear only where a port is named

    def __repr__(self) -> str:
        return f"Site(id={self.id!r}, name={self.name!r}, profile={self.profile!r})"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A bearer key; only its SHA-256 is kept."""

    id: str
    site_id: str
    name: str
    created_ms: int
    revoked_ms: int | None = None
