"""The files of one site in the exact index, while their lock is held."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.prediction import Vector
from tagger.search.asset_key import asset_key
from tagger.search.index import Entry, Match
from tagger.search.scan import Halves, cosines

Places = npt.NDArray[np.int64]

SCHEMA = """
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS places (
    model TEXT, asset_id TEXT, key TEXT, job_id TEXT, place INTEGER, PRIMARY KEY (model, asset_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS place ON places (model, place);
CREATE INDEX IF NOT EXISTS key ON places (key);
CREATE TABLE IF NOT EXISTS free (model TEXT, place INTEGER, PRIMARY KEY (model, place));
CREATE TABLE IF NOT EXISTS position (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), at_ms INTEGER);
CREATE TABLE IF NOT EXISTS sizes (model TEXT PRIMARY KEY, numbers INTEGER);
"""
PLACES = "SELECT asset_id, place FROM places WHERE model = ? AND asset_id IN (SELECT value FROM json_each(?))"
NAMES = "SELECT place, asset_id FROM places WHERE model = ? AND place IN (SELECT value FROM json_each(?))"
JOBS = "SELECT asset_id, job_id FROM places WHERE model = ? AND asset_id IN (SELECT value FROM json_each(?))"


class SiteFiles:
    """The files of one site, while the lock is held."""

    def __init__(self, folder: Path, conn: sqlite3.Connection) -> None:
        self._folder = folder
        self._conn = conn

    def rows(self, sql: str, *values: object) -> list[Any]:
        return self._conn.execute(sql, values).fetchall()

    def run(self, sql: str, *values: object) -> None:
        self._conn.execute(sql, values)

    def position(self) -> int | None:
        row = self._conn.execute("SELECT at_ms FROM position").fetchone()
        return None if row is None else int(row[0])

    def file(self, model: str) -> Path:
        return self._folder / f"{hashlib.sha256(model.encode()).hexdigest()[:32]}.f16"

    def names(self) -> list[str]:
        return [model for model, last in self._last_places() if last is not None]

    def damaged(self) -> bool:
        """Whether a file is shorter than its rows say."""
        for model, last in self._last_places():
            if last is None:
                continue
            file = self.file(model)
            if not file.is_file() or file.stat().st_size < (last + 1) * 2 * self._numbers(model):
                return True
        return False

    def _last_places(self) -> list[tuple[str, int | None]]:
        """By the index on places, which a million rows do not slow down."""
        return self.rows("SELECT model, (SELECT max(place) FROM places WHERE places.model = sizes.model) FROM sizes")

    def _numbers(self, model: str) -> int:
        row = self._conn.execute("SELECT numbers FROM sizes WHERE model = ?", (model,)).fetchone()
        return 0 if row is None else int(row[0])

    def put(self, site_id: str, model: str, entries: Sequence[Entry]) -> None:
        self.run("INSERT OR IGNORE INTO sizes VALUES (?, ?)", model, len(entries[0].vector) // 2)
        size = 2 * self._numbers(model)
        latest = {entry.asset_id: entry for entry in entries if len(entry.vector) == size}
        known = dict(self.rows(PLACES, model, json.dumps(list(latest))))
        free = self._free(model, len(latest) - len(known))
        with self.file(model).open("r+b" if self.file(model).exists() else "w+b") as file:
            places = [(known[asset] if asset in known else next(free), entry) for asset, entry in latest.items()]
            for place, entry in sorted(places, key=lambda pair: pair[0]):
                file.seek(place * size)
                file.write(entry.vector)
            file.flush()
            os.fsync(file.fileno())
        self.name(site_id, model, places)

    def name(self, site_id: str, model: str, places: Sequence[tuple[int, Entry]]) -> None:
        """Say which asset is in which place; the vectors are there already."""
        self._conn.executemany(
            "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)",
            [(model, e.asset_id, asset_key(site_id, e.asset_id), e.job_id, place) for place, e in places],
        )
        self._conn.executemany("DELETE FROM free WHERE model = ? AND place = ?", [(model, place) for place, _ in places])

    def _free(self, model: str, count: int) -> Iterator[int]:
        """Free places, then new ones."""
        again = [place for _, place in self.rows("SELECT model, place FROM free WHERE model = ? LIMIT ?", model, count)]
        [(_, end)] = self.rows(
            "SELECT '', max(coalesce((SELECT max(place) FROM places WHERE model = ?1), -1),"
            " coalesce((SELECT max(place) FROM free WHERE model = ?1), -1)) + 1",
            model,
        )
        yield from again
        yield from range(end, end + count)

    def wipe(self, found: Sequence[tuple[str, int]]) -> None:
        """Overwrite these places with zeros."""
        for model in {model for model, _ in found}:
            size = 2 * self._numbers(model)
            with self.file(model).open("r+b") as file:
                for place in sorted(place for of, place in found if of == model):
                    file.seek(place * size)
                    file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
        self._conn.executemany("INSERT OR IGNORE INTO free VALUES (?, ?)", found)

    def vector(self, model: str, asset_id: str) -> Vector | None:
        found = self.rows("SELECT asset_id, place FROM places WHERE model = ? AND asset_id = ?", model, asset_id)
        if not found or self.damaged():
            return None
        return np.asarray(self._matrix(model)[found[0][1]], np.float32)

    def _matrix(self, model: str) -> Halves:
        state = self.file(model).stat()
        return _mapped(self.file(model), (state.st_ino, state.st_size), self._numbers(model))

    def search(self, model: str, vector: Vector, limit: int, among: Collection[str] | None) -> list[Match]:
        numbers = self._numbers(model)
        if not numbers or len(vector) != numbers or self.damaged() or not self.file(model).stat().st_size:
            return []
        matrix = self._matrix(model)
        if among is None:
            scores, places = cosines(matrix, vector), np.arange(len(matrix))
            free = [place for _, place in self.rows("SELECT model, place FROM free WHERE model = ?", model)]
            scores[[place for place in free if place < len(scores)]] = -np.inf
        else:
            places = np.array([p for _, p in self.rows(PLACES, model, json.dumps(list(among)))], np.int64)
            scores = cosines(np.ascontiguousarray(matrix[places]), vector)
        best = _best(scores, limit)
        names = dict(self.rows(NAMES, model, json.dumps(places[best].tolist())))
        pairs = zip(places[best].tolist(), scores[best].tolist(), strict=True)
        return [Match(asset_id=names[place], similarity=score) for place, score in pairs if place in names]


@lru_cache(maxsize=4)
def _mapped(file: Path, inode_and_size: tuple[int, int], numbers: int) -> Halves:
    """Mapped once for many searches: to map and unmap a million vectors takes as long as their scan. A file that grew, or that
    took the place of another, is mapped anew: its inode and size tell."""
    _, size = inode_and_size
    return np.memmap(file, np.float16, "r", shape=(size // (2 * numbers), numbers))


def _best(scores: Vector, limit: int) -> Places:
    """The places of the highest scores, the highest first."""
    top = np.argpartition(-scores, limit)[:limit] if len(scores) > limit else np.arange(len(scores))
    top = top[np.isfinite(scores[top])]
    ordered: Places = top[np.argsort(-scores[top], kind="stable")].astype(np.int64)
    return ordered
