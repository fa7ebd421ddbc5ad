"""The copy on disk: one SQLite file that changes from one version to the next in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from randomcamerareviews.protocol import Mark

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reviews (id TEXT PRIMARY KEY, product_id TEXT, published_at TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reviews_by_product ON reviews (product_id, published_at);
CREATE INDEX IF NOT EXISTS reviews_by_time ON reviews (published_at);
CREATE TABLE IF NOT EXISTS tags (slug TEXT, id TEXT, PRIMARY KEY (slug, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_review ON tags (id);
CREATE TABLE IF NOT EXISTS fetched (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
Bundle = dict[str, list[dict[str, Any]]]


class Store:
    """A copy in the file at `path`; use from one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(str(path), isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def held(self) -> Mark | None:
        """What the copy is; None while it is empty."""
        return self._mark("held")

    def seen(self) -> Mark | None:
        """The newest head that was ever verified."""
        return self._mark("seen")

    def see(self, mark: Mark) -> None:
        """Remember a verified head."""
        self._set("seen", _encoded(mark))

    def keys(self) -> bytes | None:
        """The key set that is trusted."""
        said = self._fact("keys")
        return None if said is None else said.encode()

    def trust(self, keyset: bytes) -> None:
        """Trust the keys of this set, and no others."""
        self._set("keys", keyset.decode())

    def pin(self, keyset: bytes) -> None:
        """Trust the keys that an app ships with, unless they are those that it shipped with before."""
        if self._fact("pinned") != keyset.decode():
            self._set("pinned", keyset.decode())
            self.trust(keyset)

    def fetched(self, sha256: str) -> bytes | None:
        """An object that was fetched and verified, and not applied yet."""
        row = self._db.execute("SELECT body FROM fetched WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, sha256: str, body: bytes) -> None:
        """Keep a verified object until the next version is complete."""
        self._db.execute("INSERT OR REPLACE INTO fetched VALUES (?, ?)", (sha256, body))

    def apply(self, bundles: Iterable[Bundle], mark: Mark, attribution: str, *, afresh: bool) -> None:
        """Become the version that `mark` says, by these bundles in their order; all of it or nothing."""
        with self._transaction():
            if afresh:
                for table in ("records", "reviews", "tags"):
                    self._db.execute(f"DELETE FROM {table}")
            for bundle in bundles:
                self._put(bundle)
            self._set("held", _encoded(mark))
            self._set("attribution", attribution)
            self._db.execute("DELETE FROM fetched")

    def record(self, kind: str, record_id: str) -> dict[str, Any] | None:
        """A record by kind (`review`, `product`, `editor`) and id."""
        row = self._db.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, record_id)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def records(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every record of a kind, by id."""
        for row in self._db.execute("SELECT body FROM records WHERE kind = ? ORDER BY id", (kind,)):
            yield json.loads(row[0])

    def review_ids(self, product_id: str | None, tag: str | None) -> list[str]:
        """Ids of reviews, the newest first: of a product, with a tag (its slug), or all."""
        query, values = "SELECT r.id FROM reviews r", []
        if tag is not None:
            query += " JOIN tags t ON t.id = r.id AND t.slug = ?"
            values.append(tag)
        if product_id is not None:
            query += " WHERE r.product_id = ?"
            values.append(product_id)
        return [row[0] for row in self._db.execute(f"{query} ORDER BY r.published_at DESC, r.id DESC", values)]

    def attribution(self) -> str:
        """Whom to credit for specifications."""
        return self._fact("attribution") or ""

    def _put(self, bundle: Bundle) -> None:
        for gone in bundle["gone"]:
            self._remove(gone["kind"], gone["id"])
        for kind in ("editor", "product", "review"):
            for record in bundle[f"{kind}s"]:
                self._remove(kind, record["id"])
                body = json.dumps(record, ensure_ascii=False)
                self._db.execute("INSERT INTO records VALUES (?, ?, ?)", (kind, record["id"], body))
                if kind == "review":
                    values = (record["id"], record.get("product_id"), record["published_at"])
                    self._db.execute("INSERT INTO reviews VALUES (?, ?, ?)", values)
                    slugs = {(tag["slug"], record["id"]) for tag in record["tags"]}
                    self._db.executemany("INSERT INTO tags VALUES (?, ?)", slugs)

    def _remove(self, kind: str, record_id: str) -> None:
        self._db.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record_id))
        if kind == "review":
            self._db.execute("DELETE FROM reviews WHERE id = ?", (record_id,))
            self._db.execute("DELETE FROM tags WHERE id = ?", (record_id,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _mark(self, name: str) -> Mark | None:
        said = self._fact(name)
        if said is None:
            return None
        epoch, version, log, issued = json.loads(said)
        return Mark(epoch, version, log, datetime.fromisoformat(issued))

    def _fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _encoded(mark: Mark) -> str:
    return json.dumps([mark.epoch, mark.version, mark.log, mark.issued.isoformat()])
