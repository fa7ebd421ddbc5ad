"""What a folder remembers of its reviews, and its outbox: a small database, `.publisher/desk.db`, beside the files.

Everything is on disk before it is acted on (`synchronous=EXTRA`: a power cut takes back nothing), so that a process
that dies anywhere leaves records from which the next one goes on. One file, no write-ahead log: the folder can be
copied to another machine with all that waits in it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from pysqlite3 import dbapi2 as sqlite

from publisher.desk import files
from publisher.desk.said import Held, Said, Step
from publisher.errors import DeskError

FOLDER = ".publisher"
FORMAT = 1
RecordsError = sqlite.Error
"""What a method of Records raises when the database itself fails: a full disk, say."""
_BUSY_SECONDS = 20.0
_SCHEMA = """
CREATE TABLE account (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), editor_id TEXT NOT NULL, url TEXT NOT NULL, email TEXT NOT NULL
);
CREATE TABLE reviews (
    id TEXT PRIMARY KEY,
    path TEXT UNIQUE,
    version INTEGER NOT NULL DEFAULT 0,
    url TEXT NOT NULL DEFAULT '',
    said BLOB,
    held BLOB,
    theirs BLOB
);
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    place INTEGER NOT NULL,
    review_id TEXT NOT NULL REFERENCES reviews (id),
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    said BLOB NOT NULL,
    at TEXT NOT NULL,
    doubtful INTEGER NOT NULL DEFAULT 0,
    refused TEXT NOT NULL DEFAULT ''
);
"""
_ENTRY = "number, review_id, kind, key, body, said, at, doubtful, refused"
_REVIEW = "id, path, version, url, said, held, theirs"
_SAID = msgspec.json.Decoder(Said)
_HELD = msgspec.json.Decoder(Held)


class Account(msgspec.Struct, frozen=True):
    """Whose reviews a folder holds, and where; the id is one account's alone, of all sites'."""

    editor_id: str
    url: str
    email: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A review of the folder as it was last agreed on with the API, and what it holds in conflict with the file.

    `said` is what the file said then, `held` what the API made of it; both None, and the version 0, before that.
    """

    id: str
    path: str | None
    version: int = 0
    url: str = ""
    said: Said | None = None
    held: Said | None = None
    theirs: Held | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits: the key that makes it safe to repeat, whether it may have arrived, why it was refused."""

    number: int
    review_id: str
    kind: str
    key: str
    body: bytes
    said: Said
    at: datetime
    doubtful: bool
    refused: str


def root_of(path: Path) -> Path | None:
    """The nearest folder at or above `path` that has records."""
    place = path.resolve()
    return next((folder for folder in (place, *place.parents) if (folder / FOLDER / "desk.db").is_file()), None)


class Records:
    """The records of one folder. Several processes may use them at once; each change is one transaction."""

    def __init__(self, root: Path, *, in_memory: bool = False) -> None:
        """Open the records of the folder `root`; they are made when there are none, `in_memory` for a rehearsal."""
        self.root = root.resolve()
        self.folder = self.root / FOLDER
        if not in_memory:
            self._prepare()
        name = ":memory:" if in_memory else str(self.folder / "desk.db")
        self._db = sqlite.connect(name, isolation_level=None, timeout=_BUSY_SECONDS)
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = EXTRA")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self.change():
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if found == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")
            elif found != FORMAT:
                raise DeskError(f"{self.folder} was written by another version of publisher; install the newer one")

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def _prepare(self) -> None:
        try:
            if not self.folder.exists():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.persist(self.root)
            if not (self.folder / "desk.db").exists():
                (self.folder / "desk.db").touch(mode=0o600)
        except OSError as error:
            raise DeskError(f"{self.root} cannot hold records: {error.strerror}") from error

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, or part of the one that is open: all that is done inside is kept, or nothing of it.

        No other process changes the records meanwhile.
        """
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def only_sender(self) -> Iterator[None]:
        """Hold the right to send for this folder; waits while another process sends. Ends with the process."""
        with (self.folder / "sending.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # --- whose folder it is ---

    def account(self) -> Account | None:
        """Whose reviews these are; None before the first were sent or pulled."""
        row = self._db.execute("SELECT editor_id, url, email FROM account").fetchone()
        return None if row is None else Account(*row)

    def belong_to(self, account: Account) -> None:
        """Note whose reviews these are, and the address that the site has now; DeskError when they are another's."""
        held = self.account()
        if held is not None and held.editor_id != account.editor_id:
            raise DeskError(
                f"the reviews in {self.root} are those of {held.email} at {held.url}, and you are signed in as"
                f" {account.email} at {account.url}: sign in as {held.email}, or use another folder; nothing is lost"
            )
        if held != account:
            row = (account.editor_id, account.url, account.email)
            self._db.execute("INSERT OR REPLACE INTO account VALUES (1, ?, ?, ?)", row)

    # --- reviews ---

    def all(self) -> list[Known]:
        """Every review, by path."""
        return [_known(row) for row in self._db.execute(f"SELECT {_REVIEW} FROM reviews ORDER BY path, id")]

    def known(self, review_id: str) -> Known | None:
        """The review with this id."""
        row = self._db.execute(f"SELECT {_REVIEW} FROM reviews WHERE id = ?", (review_id,)).fetchone()
        return None if row is None else _known(row)

    def at(self, path: str) -> Known | None:
        """The review whose file is at `path`."""
        row = self._db.execute(f"SELECT {_REVIEW} FROM reviews WHERE path = ?", (path,)).fetchone()
        return None if row is None else _known(row)

    def place(self, review_id: str, path: str) -> None:
        """Note that the file of a review, which may be new, is at `path` from now on."""
        self._db.execute("UPDATE reviews SET path = NULL WHERE path = ? AND id != ?", (path, review_id))
        self._db.execute(
            "INSERT INTO reviews (id, path) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET path = excluded.path",
            (review_id, path),
        )

    def agree(self, held: Held, said: Said) -> None:
        """Note that the API holds this, and that it is what the file says as `said`; a conflict is over."""
        self._db.execute(
            "UPDATE reviews SET version = ?, url = ?, said = ?, held = ?, theirs = NULL WHERE id = ?",
            (held.version, held.url, msgspec.json.encode(said), msgspec.json.encode(held.said), held.id),
        )

    def oppose(self, theirs: Held) -> None:
        """Note a conflict: the API holds this, and the file says something else."""
        self._db.execute("UPDATE reviews SET theirs = ? WHERE id = ?", (msgspec.json.encode(theirs), theirs.id))

    def forget(self, review_id: str) -> None:
        """Remove a review and all that waits for it; its file stays."""
        self._db.execute("DELETE FROM entries WHERE review_id = ?", (review_id,))
        self._db.execute("DELETE FROM reviews WHERE id = ?", (review_id,))

    # --- the outbox ---

    def entries(self, review_id: str | None = None) -> list[Entry]:
        """What waits, of all reviews or of one, in the order in which it is sent."""
        rows = self._db.execute(
            f"SELECT {_ENTRY} FROM entries WHERE ? IS NULL OR review_id = ? ORDER BY place, number",
            (review_id, review_id),
        )
        return [_entry(row) for row in rows]

    def enqueue(self, review_id: str, steps: Iterable[tuple[str, Step]], at: datetime, instead_of: list[Entry]) -> None:
        """Have requests, each with its key, wait for a review, in the place of entries that they make pointless."""
        numbers = [entry.number for entry in instead_of]
        marks = ",".join("?" * len(numbers))
        (place,) = self._db.execute(f"SELECT min(place) FROM entries WHERE number IN ({marks})", numbers).fetchone()
        self._db.execute(f"DELETE FROM entries WHERE number IN ({marks})", numbers)
        if place is None:
            (place,) = self._db.execute("SELECT coalesce(max(place), 0) + 1 FROM entries").fetchone()
        for key, step in steps:
            self._db.execute(
                "INSERT INTO entries (place, review_id, kind, key, body, said, at) VALUES (?,?,?,?,?,?,?)",
                (place, review_id, step.kind, key, step.body, msgspec.json.encode(step.said), at.isoformat()),
            )

    def doubt(self, entry: Entry, doubtful: bool) -> None:
        """Note whether a request may have arrived: true before it goes out, false once it certainly was not done."""
        self._db.execute("UPDATE entries SET doubtful = ? WHERE number = ?", (doubtful, entry.number))

    def refuse(self, entry: Entry, reason: str) -> None:
        """Set an entry aside with the API's reason; what follows it for the same review waits behind it."""
        self._db.execute("UPDATE entries SET refused = ?, doubtful = 0 WHERE number = ?", (reason, entry.number))

    def remove(self, entries: Iterable[Entry]) -> None:
        """Take entries out of the outbox."""
        self._db.executemany("DELETE FROM entries WHERE number = ?", [(entry.number,) for entry in entries])

    def keep(self, path: str, at: datetime) -> Path | None:
        """Put a copy of a file aside before it is overwritten; where it is, or None when there is no such file."""
        original = self.root / path
        if not original.exists():
            return None
        stamp = at.strftime("%Y%m%dT%H%M%S%f")
        copy = self.folder / "kept" / f"{Path(path).stem}.{stamp}{original.suffix}"
        files.replace(copy, files.content(original))
        return copy


def _known(row: Any) -> Known:
    said, held, theirs = row[4:]
    return Known(
        id=row[0], path=row[1], version=row[2], url=row[3], said=said and _SAID.decode(said),
        held=held and _SAID.decode(held), theirs=theirs and _HELD.decode(theirs),
    )  # fmt: skip


def _entry(row: Any) -> Entry:
    number, review_id, kind, key, body, said, at, doubtful, refused = row
    return Entry(
        number=number, review_id=review_id, kind=kind, key=key, body=body, said=_SAID.decode(said),
        at=datetime.fromisoformat(at), doubtful=bool(doubtful), refused=refused,
    )  # fmt: skip
