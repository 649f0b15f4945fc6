"""The store of the sample media library: an SQLite file with assets, texts and tags, and the writer of each.

The library is a separate application. It shares no table and no code with the ledger, so it has its own SQL. `receiver.py` shows
what a receiver of tagger's callback must do, in one transaction of this class.
"""

from __future__ import annotations

import sqlite3
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tagger.demo import changes, tagger_state

Writer = Literal["person", "import", "tagger"]
TEXT_FIELDS = ("title", "alt_text", "caption")

SCHEMA = """
CREATE TABLE IF NOT EXISTS assets (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, filename TEXT NOT NULL, media_type TEXT NOT NULL, role TEXT NOT NULL,
  created_ms INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0,
  delivery TEXT NOT NULL DEFAULT '');
-- A row means that somebody set the field, be it to ''. No row: never set.
CREATE TABLE IF NOT EXISTS texts (
  asset TEXT NOT NULL, field TEXT NOT NULL, locale TEXT NOT NULL, value TEXT NOT NULL, writer TEXT NOT NULL,
  model TEXT, score REAL, PRIMARY KEY (asset, field, locale));
-- present 0: a person took the tag off, which tagger must not undo.
CREATE TABLE IF NOT EXISTS tags (
  asset TEXT NOT NULL, label TEXT NOT NULL, term TEXT, writer TEXT NOT NULL, score REAL, present INTEGER NOT NULL,
  PRIMARY KEY (asset, label));
-- One row for each callback and field that changed the state of this library.
CREATE TABLE IF NOT EXISTS writes (
  id INTEGER PRIMARY KEY, asset TEXT NOT NULL, field TEXT NOT NULL, locale TEXT NOT NULL, delivery TEXT NOT NULL,
  sequence INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS writes_by_asset ON writes (asset);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY, event TEXT NOT NULL UNIQUE, body BLOB NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0, refusal TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (due_ms) WHERE sent = 0;
"""


@dataclass(frozen=True)
class Text:
    """What stands in one field of an asset, and who wrote it."""

    field: str
    locale: str
    value: str
    writer: Writer
    model: str | None = None
    score: float | None = None


class NoSuchAsset(Exception):
    """There is no asset with this id, or it was deleted."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A hook in the outbox."""

    number: int
    event: str  # the webhook-id, the same for every try
    body: bytes
    attempts: int  # that failed


class MediaStore:
    """One connection behind one lock. Every method is one atomic transaction."""

    def __init__(self, path: Path, locales: Sequence[str]) -> None:
        self.locales = tuple(locales)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA + tagger_state.SCHEMA + changes.SCHEMA
        )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One exclusive transaction. It is rolled back if the body raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # --- assets and their hooks, in one transaction: no image without its hook ---------------------------------

    def add(self, asset: Mapping[str, Any], texts: Mapping[str, tuple[str, Writer]], event: str, hook: bytes) -> None:
        """A new asset; `texts`: field → (value, writer) in the first locale."""
        with self.change() as db:
            db.execute(
                "INSERT INTO assets (id, revision, filename, media_type, role, created_ms) "
                "VALUES (:id, 1, :filename, :media_type, :role, :created_ms)",
                dict(asset),
            )
            for field, (value, writer) in texts.items():
                set_text(db, asset["id"], Text(field, self.locales[0], value, writer))
            db.execute("INSERT INTO outbox (event, body) VALUES (?, ?)", (event, hook))

    def replace(self, asset_id: str, media_type: str, event: str, hook: bytes, revision: int) -> None:
        """The next revision of an asset's picture. The caller has stored its bytes. Errors: NoSuchAsset."""
        with self.change() as db:
            living(db, asset_id)
            db.execute("UPDATE assets SET revision = ?, media_type = ? WHERE id = ?", (revision, media_type, asset_id))
            tagger_state.remember(db, asset_id, {})
            db.execute("INSERT INTO outbox (event, body) VALUES (?, ?)", (event, hook))

    def delete(self, asset_id: str) -> None:
        """Errors: NoSuchAsset."""
        with self.change() as db:
            living(db, asset_id)
            db.execute("UPDATE assets SET deleted = 1 WHERE id = ?", (asset_id,))

    def asset(self, asset_id: str) -> dict[str, Any]:
        """Errors: NoSuchAsset."""
        with self._lock:
            return self._show(living(self._db, asset_id))

    def assets(self, limit: int = 200) -> list[dict[str, Any]]:
        """The newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM assets WHERE deleted = 0 ORDER BY created_ms DESC, rowid DESC LIMIT ?", (limit,)
            ).fetchall()
            return [self._show(row) for row in rows]

    def _show(self, row: sqlite3.Row) -> dict[str, Any]:
        fields: dict[str, dict[str, Any]] = {name: {} for name in TEXT_FIELDS}
        for text in self._db.execute("SELECT * FROM texts WHERE asset = ? ORDER BY locale", (row["id"],)):
            fields[text["field"]][text["locale"]] = {k: text[k] for k in ("value", "writer", "model", "score")}
        tags = self._db.execute("SELECT * FROM tags WHERE asset = ? AND present = 1 ORDER BY label", (row["id"],))
        shown = [{k: tag[k] for k in ("label", "term", "writer", "score")} for tag in tags]
        plain = {k: row[k] for k in ("id", "revision", "filename", "media_type", "role", "created_ms", "sequence")}
        return {**plain, "fields": fields, "tags": shown, "told": tagger_state.shown(self._db, row["id"], fields, shown)}

    # --- a person ------------------------------------------------------------------------------------------------

    def edit(
        self,
        asset_id: str,
        texts: Mapping[tuple[str, str], str],
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        hook: tuple[str, bytes] | None = None,
    ) -> None:
        """A person sets texts by (field, locale), adds tags and removes tags. Clearing a text is an edit. `hook`: reports it to
        tagger.

        Errors: NoSuchAsset.
        """
        with self.change() as db:
            living(db, asset_id)
            if hook is not None:
                db.execute("INSERT INTO outbox (event, body) VALUES (?, ?)", hook)
            for (field, locale), value in texts.items():
                set_text(db, asset_id, Text(field, locale, value, "person"))
            for label in add:
                replace_alike(db, asset_id, label)
                set_tag(db, asset_id, label, None, "person", None, present=True)
            for label in remove:
                set_tag(db, asset_id, label, term_of(db, asset_id, label), "person", None, present=False)

    # --- counting, for the tests and the demo ---------------------------------------------------------------------

    def writes(self) -> dict[str, Any]:
        """Effective writes: how often a callback changed this library, in total and per asset, field and locale."""
        with self._lock:
            rows = self._db.execute(
                "SELECT asset, field, locale, count(*) AS n FROM writes GROUP BY asset, field, locale ORDER BY asset, field"
            ).fetchall()
            deliveries = self._db.execute("SELECT count(DISTINCT delivery) FROM writes").fetchone()[0]
        by_field = [{k: row[k] for k in ("asset", "field", "locale", "n")} for row in rows]
        return {"effective": sum(row["n"] for row in rows), "deliveries": deliveries, "by_field": by_field}

    # --- the outbox ----------------------------------------------------------------------------------------------

    def due(self, now_ms: int, limit: int = 50) -> list[Event]:
        with self._lock:
            rows = self._db.execute(
                "SELECT id, event, body, tries FROM outbox WHERE sent = 0 AND due_ms <= ? ORDER BY id LIMIT ?", (now_ms, limit)
            ).fetchall()
        return [Event(number=r["id"], event=r["event"], body=r["body"], attempts=r["tries"]) for r in rows]

    def sent(self, number: int, refusal: str = "") -> None:
        """Mark a hook as accepted by tagger, or as refused finally, with the reason."""
        with self.change() as db:
            db.execute("UPDATE outbox SET sent = 1, refusal = ? WHERE id = ?", (refusal, number))

    def later(self, number: int, due_ms: int) -> None:
        with self.change() as db:
            db.execute("UPDATE outbox SET tries = tries + 1, due_ms = ? WHERE id = ?", (due_ms, number))

    def unsent(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM outbox WHERE sent = 0").fetchone()[0])


def living(db: sqlite3.Connection, asset_id: str) -> sqlite3.Row:
    """The row of an asset. Errors: NoSuchAsset, also for a deleted one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM assets WHERE id = ? AND deleted = 0", (asset_id,)).fetchone()
    if row is None:
        raise NoSuchAsset(asset_id)
    return row


def set_text(db: sqlite3.Connection, asset_id: str, text: Text) -> None:
    db.execute(
        "INSERT OR REPLACE INTO texts (asset, field, locale, value, writer, model, score) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (asset_id, text.field, text.locale, text.value, text.writer, text.model, text.score),
    )
    changes.touch(db, asset_id)


def same(label: str) -> str:
    """The same for two labels that differ only in case or in Unicode form: an editor's "Coffee" is tagger's "coffee"."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())


def replace_alike(db: sqlite3.Connection, asset_id: str, label: str) -> None:
    """A tag that a person types takes the place of one that is the same but for its spelling."""
    rows = db.execute("SELECT label FROM tags WHERE asset = ?", (asset_id,)).fetchall()
    alike = [(asset_id, row["label"]) for row in rows if same(row["label"]) == same(label)]
    db.executemany("DELETE FROM tags WHERE asset = ? AND label = ?", alike)


def term_of(db: sqlite3.Connection, asset_id: str, label: str) -> str | None:
    """The vocabulary term of a tag that tagger added, so that a removed tag stays removed under another label too."""
    row = db.execute("SELECT term FROM tags WHERE asset = ? AND label = ?", (asset_id, label)).fetchone()
    return None if row is None else row["term"]


def set_tag(
    db: sqlite3.Connection, asset_id: str, label: str, term: str | None, writer: Writer, score: float | None,
    *, present: bool,
) -> None:  # fmt: skip
    """`present` False: a person removed the tag."""
    db.execute(
        "INSERT OR REPLACE INTO tags (asset, label, term, writer, score, present) VALUES (?, ?, ?, ?, ?, ?)",
        (asset_id, label, term, writer, score, int(present)),
    )
    changes.touch(db, asset_id)
