"""What the editor's commands share: which folder is meant, and sending what waits with patience and plain words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from publisher.desk import sending
from publisher.desk.client import Client
from publisher.desk.records import FOLDER, Known, Records, RecordsError, root_of
from publisher.desk.sending import Sent
from publisher.desk.session import Sessions, default_path
from publisher.errors import DeskError, OfflineError, UnauthenticatedError

PATIENCE_SECONDS = 10.0
"""How long a command waits by itself when the API asks for a pause."""
ATTEMPTS = 5
FIRST_DELAY, LONGEST_DELAY = 2.0, 300.0


class Delivery(msgspec.Struct):
    """What became of an outbox: what was settled, and why the rest has to wait (nothing, when none does)."""

    settled: list[Sent] = []
    stopped: str = ""
    unauthenticated: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nobody has to do anything about it: all was sent, or waits for a connection only."""
        return not self.unauthenticated and all(sent.outcome == "sent" for sent in self.settled)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def sessions() -> Sessions:
    """The session of this user."""
    return Sessions(default_path(os.environ, Path.home()))


@contextmanager
def records_at(folder: Path | None) -> Iterator[Records]:
    """The records of a folder, by default of the nearest at or above this one that has some."""
    root = root_of(folder or Path.cwd())
    if root is None or (folder is not None and root != folder.resolve()):
        raise DeskError(
            f"nothing was posted or pulled in {folder or 'this folder'} yet; go to the folder of your reviews, or name"
            " it with --folder"
        )
    with opened(root) as records:
        yield records


@contextmanager
def opened(root: Path, *, rehearsal: bool = False) -> Iterator[Records]:
    """The records of the folder `root`, made when there are none, on disk unless this is a rehearsal."""
    try:
        records = Records(root, in_memory=rehearsal and root_of(root) != root)
        try:
            yield records
        finally:
            records.close()
    except RecordsError as error:
        raise DeskError(f"the records in {root / FOLDER} cannot be used: {error}{_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    """What to do about damaged records: files without them could be posted a second time."""
    from publisher.content.database import is_damage  # a desk works without the site's databases

    if not is_damage(error):
        return ""
    return (
        "; your files are whole: keep them, run `publisher pull` in an empty folder, and carry over into its files what"
        " was not sent"
    )


@contextmanager
def signed_in() -> Iterator[Client]:
    """The API for whoever is signed in."""
    client = Client(sessions())
    try:
        yield client
    finally:
        client.close()


def named(records: Records, what: str) -> Known:
    """The review that a file or an id means; DeskError when there is none."""
    path = absolute(Path(what))
    found = records.known(what)
    if found is None and path.is_relative_to(records.root):
        found = records.at(path.relative_to(records.root).as_posix())
    if found is None:
        raise DeskError(f"{what} is no review that was posted or pulled in {records.root}")
    return found


def deliver(records: Records, *, until_done: bool, tell: Callable[[Sent], None]) -> Delivery:
    """Send what waits. `until_done` tries again until all is sent; else only short pauses are waited for.

    Ctrl-C ends it between or within two requests; the next delivery goes on.
    """
    delivery = Delivery()
    try:
        _deliver(records, delivery, until_done, tell)
    except UnauthenticatedError as error:
        delivery.stopped, delivery.unauthenticated = str(error), True
    except KeyboardInterrupt:
        delivery.stopped = "stopped"
    return delivery


def _deliver(records: Records, delivery: Delivery, until_done: bool, tell: Callable[[Sent], None]) -> None:
    attempts = 0

    def note(sent: Sent) -> None:
        nonlocal attempts
        attempts = 0
        delivery.settled.append(sent)
        tell(sent)

    while records.entries():
        try:
            with signed_in() as client:
                begun = len(delivery.settled)
                sending.send(records, client, now, note)
            failed = [sent.reason for sent in delivery.settled[begun:] if sent.outcome == "failed"]
            if not (failed and until_done):
                return
            raise OfflineError(f"the site failed: {failed[0]}")
        except OfflineError as error:
            attempts += 1
            delay = _delay(error, attempts, until_done)
            if delay is None:
                delivery.stopped = str(error)
                return
            _pause(error, delay)


def _delay(error: OfflineError, attempts: int, until_done: bool) -> float | None:
    """Seconds until the next attempt; None to give up."""
    if until_done:
        return max(min(FIRST_DELAY * 2.0 ** (attempts - 1), LONGEST_DELAY), error.seconds or 0.0)
    if error.seconds is None or error.seconds > PATIENCE_SECONDS or attempts >= ATTEMPTS:
        return None
    return error.seconds


def _pause(error: OfflineError, seconds: float) -> None:
    """Wait, saying until when."""
    at = datetime.now().astimezone().timestamp() + seconds
    clock = f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}"
    click.echo(f"{error}; trying again at {clock} (Ctrl-C stops; nothing is lost)", err=True)
    time.sleep(seconds)


def line(sent: Sent) -> str:
    """What became of an entry, on one line."""
    name = sent.path or sent.entry.review_id
    match sent.outcome:
        case "sent":
            return f"{name}: sent, {sent.url if sent.state == 'published' else sent.state}"
        case "refused":
            return f"{name}: refused: {sent.reason}"
        case "conflict":
            return f"{name}: conflict: somebody changed it meanwhile; `publisher conflicts` shows both sides"
        case _:
            return f"{name}: not sent, will be tried again: {sent.reason}"


def rest(records: Records, delivery: Delivery) -> str:
    """What still waits, and what to do about it; empty when nothing does."""
    entries = records.entries()
    in_conflict = {known.id for known in records.all() if known.theirs is not None}
    refused = {entry.review_id for entry in entries if entry.refused}
    waiting = {entry.review_id for entry in entries} - in_conflict - refused
    words = []
    if waiting:
        why = f" ({delivery.stopped})" if delivery.stopped else ""
        more = "" if delivery.unauthenticated else "; `publisher outbox send` sends what waits"
        words.append(f"{_reviews(len(waiting))} kept in the outbox{why}{more}")
    if refused:
        words.append(f"{_reviews(len(refused))} refused; mend the file and post it again")
    if in_conflict:
        words.append(f"{_reviews(len(in_conflict))} in conflict; `publisher conflicts` shows both sides")
    return "\n".join(words)


def _reviews(count: int) -> str:
    return f"{count} review" if count == 1 else f"{count} reviews"


def summary(records: Records, delivery: Delivery) -> dict[str, object]:
    """The same for scripts."""
    entries = records.entries()
    return {
        "sent": [_told(sent) for sent in delivery.settled],
        "waiting": sum(not entry.refused for entry in entries),
        "refused": sum(bool(entry.refused) for entry in entries),
        "conflicts": sum(known.theirs is not None for known in records.all()),
        "stopped": delivery.stopped,
    }


def _told(sent: Sent) -> dict[str, object]:
    return {
        "path": sent.path, "id": sent.entry.review_id, "request": sent.entry.kind, "outcome": sent.outcome,
        "url": sent.url, "reason": sent.reason,
    }  # fmt: skip


def absolute(file: Path) -> Path:
    """Where a file is, its folder without links: a file that is a link itself belongs where the link is."""
    return file.parent.resolve() / file.name


def root_for(files: list[Path]) -> Path:
    """The folder whose records these files belong to: one at or above them that has some, else their common folder."""
    folders = [file.parent.resolve() for file in files]
    roots = {root_of(folder) for folder in folders}
    if roots == {None}:
        return Path(os.path.commonpath(folders))
    if len(roots) > 1:
        raise DeskError(
            "these files belong to different folders, each with its own outbox"
            f" (in {FOLDER}/); post those of one folder at a time"
        )
    (root,) = roots
    assert root is not None
    return root
