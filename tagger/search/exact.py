"""The exact index: float16 vectors in files that are mapped into memory. It needs no server.

One folder for each site: `index.sqlite` says which asset is in which place of which file, and there is one file of vectors for
each model. A vector is written before the row that names its place, under a lock, and `advance` comes last. So after a crash at
any moment, the changes since the last `advance` are applied again, and a half-written vector is overwritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tagger.prediction import Vector
from tagger.search import exact_files
from tagger.search.exact_files import SiteFiles
from tagger.search.index import Entry, Match, ModelState

WAIT_SECONDS = 60.0


class ExactIndex:
    """A VectorIndex below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def position(self, site_id: str) -> int | None:
        if not self._place(site_id).is_dir():
            return None
        try:
            with self._open(site_id, fcntl.LOCK_SH) as index:
                return None if index.damaged() else index.position()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return None  # the file is no database any more

    def advance(self, site_id: str, at_ms: int) -> None:
        with self._open(site_id, fcntl.LOCK_EX) as index:
            index.run("INSERT INTO position VALUES (1, ?) ON CONFLICT (only_row) DO UPDATE SET at_ms = excluded.at_ms", at_ms)

    def clear(self, site_id: str) -> None:
        if not self._place(site_id).is_dir():
            return
        with self._lock(site_id, fcntl.LOCK_EX):
            for file in self._place(site_id).iterdir():
                file.unlink()

    def names(self, site_id: str) -> list[str]:
        if not self._place(site_id).is_dir():
            return []
        with self._open(site_id, fcntl.LOCK_SH) as index:
            return index.names()

    def models(self, site_id: str) -> Mapping[str, ModelState]:
        if not self._place(site_id).is_dir():
            return {}
        with self._open(site_id, fcntl.LOCK_SH) as index:
            found = index.rows("SELECT model, count(*), max(job_id) FROM places GROUP BY model")
            return {model: ModelState(vectors=count, newest_job=job) for model, count, job in found}

    def jobs(self, site_id: str, model: str, assets: Sequence[str]) -> Mapping[str, str]:
        with self._open(site_id, fcntl.LOCK_SH) as index:
            return dict(index.rows(exact_files.JOBS, model, json.dumps(list(assets))))

    def put(self, site_id: str, model: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        with self._open(site_id, fcntl.LOCK_EX) as index:
            index.put(site_id, model, entries)

    def forget(self, site_id: str, keys: Collection[str]) -> None:
        if not keys or not self._place(site_id).is_dir():
            return
        with self._open(site_id, fcntl.LOCK_EX) as index:
            chosen = json.dumps(list(keys))
            index.wipe(index.rows("SELECT model, place FROM places WHERE key IN (SELECT value FROM json_each(?))", chosen))
            index.run("DELETE FROM places WHERE key IN (SELECT value FROM json_each(?))", chosen)

    def drop(self, site_id: str, model: str) -> None:
        with self._open(site_id, fcntl.LOCK_EX) as index:
            index.run("DELETE FROM places WHERE model = ?", model)
            index.run("DELETE FROM free WHERE model = ?", model)
            index.run("DELETE FROM sizes WHERE model = ?", model)
            index.file(model).unlink(missing_ok=True)

    def vector(self, site_id: str, model: str, asset_id: str) -> Vector | None:
        if not self._place(site_id).is_dir():
            return None
        with self._open(site_id, fcntl.LOCK_SH) as index:
            return index.vector(model, asset_id)

    def search(
        self, site_id: str, model: str, vector: Vector, *, limit: int, among: Collection[str] | None = None
    ) -> list[Match]:
        if not self._place(site_id).is_dir():
            return []
        with self._open(site_id, fcntl.LOCK_SH) as index:
            return index.search(model, vector, limit, among)

    def _place(self, site_id: str) -> Path:
        return self._folder / hashlib.sha256(site_id.encode()).hexdigest()[:32]

    @contextmanager
    def _lock(self, site_id: str, kind: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._place(site_id).with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, kind)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _open(self, site_id: str, kind: int) -> Iterator[SiteFiles]:
        with self._lock(site_id, kind):
            folder = self._place(site_id)
            folder.mkdir(exist_ok=True)
            with closing(sqlite3.connect(folder / "index.sqlite", timeout=WAIT_SECONDS)) as conn:
                conn.executescript(exact_files.SCHEMA)
                yield SiteFiles(folder, conn)
                conn.commit()
