"""Two whole publishers on one bucket: one is stopped past its lease, and goes on when the other has taken over.

The second began as a copy of the first: the same databases, but for the name under which it holds the lease. Clocks
that differ by forty minutes change nothing of it: no lease is judged by what a clock says.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from publisher import settings
from publisher.content.database import connect
from publisher.delivery.ledger import Ledger
from publisher.settings import Settings
from tests.clocks import clock
from tests.faults import checks
from tests.faults.conftest import PIECE, PIECES
from tests.faults.test_killed_publishes import Victim
from tests.faults.watching import watching

LEASE = {"S3_LEASE_SECONDS": "1.5"}


def copied(victim: Victim, place: Path, store: Settings, **environment: str) -> Victim:
    """A publisher on a copy of what another has, with another name."""
    room = victim.site.room
    with closing(connect(room.content_db)) as db:
        for conn in (room.ledger.connection, room.objects._connection, db.conn):
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    # Not by this process: to close a file of SQLite's would end the locks that are held on it.
    subprocess.run(["cp", "-a", str(room.folder), str(place)], check=True)
    ledger = Ledger(place / "ledger.db")
    ledger.connection.execute("UPDATE facts SET value = ? WHERE name = 'holder'", (place.name,))
    ledger.close()
    return Victim(place, store, seed=5, like=victim.site, environment=LEASE | environment)


def until_published(victim: Victim) -> dict[str, Any]:
    """Publish as soon as the lease may be taken: one that is watched for as long as it lasts, in one process."""
    until = time.monotonic() + 60
    while (ended := victim.live("patient"))["error"] == "lease_held":
        assert time.monotonic() < until, "the lease was never to be had"
    return ended


@pytest.fixture
def first(object_store: Settings, tmp_path: Path) -> Iterator[Victim]:
    """A publisher that has published."""
    made = Victim(tmp_path / "first", object_store, seed=4, environment=LEASE)
    try:
        made.site.edit(8)
        assert made.live("whole")["error"] == ""
        yield made
    finally:
        made.close()


def overtaken(first: Victim, second: Victim, boundary: int) -> bool:
    """The first stops at a boundary of a publish, the second takes over and publishes more, the first goes on; whether
    it stopped.
    """
    if not first.live(f"stop {boundary}")["stopped"]:
        return False
    second.site.edit(3)
    assert until_published(second)["error"] == ""
    assert second.site.faults() == []
    head = second.site.head(second.region)
    late = first.live("go")
    code = late["error"].split(" ")[0]
    assert code in ("lease_lost", "lease_held", "diverged", ""), late
    bodies, _ = second.region.held()
    assert checks.torn(bodies, second.site.room.site.url) == []
    assert checks.fallen([head, second.site.head(second.region)]) == []
    assert second.site.faults() == [], "the successor's site is as it left it"
    return True


@pytest.mark.parametrize(
    "boundaries", [pytest.param((9,)), pytest.param(tuple(range(1, 220, 9)), marks=pytest.mark.faults)]
)  # fmt: skip
def test_a_publisher_that_was_stopped_past_its_lease_writes_nothing_over_its_successor(
    first: Victim, object_store: Settings, tmp_path: Path, boundaries: tuple[int, ...], tally: Callable[..., None]
) -> None:
    stopped, current = 0, first
    with watching(first.site.room.site.url, [first.region.public]) as watch:
        for boundary in boundaries[PIECE - 1 :: PIECES] or boundaries:
            current.site.edit(6)
            successor = copied(current, tmp_path / f"after-{boundary}", object_store)
            stopped += overtaken(current, successor, boundary)
            if current is not first:
                current.close()
            current = successor
    if current is not first:
        current.close()
    assert watch.wrong() == []
    assert stopped > 0
    tally("SIGSTOP past the lease, CONT after another took over", "two publishers", tries=stopped,
          observations=watch.observations)  # fmt: skip


def test_an_older_copy_takes_nothing_back_before_it_is_told_to(
    first: Victim, object_store: Settings, tmp_path: Path, tally: Callable[..., None]
) -> None:
    older = copied(first, tmp_path / "older", object_store)
    first.site.edit(4)
    assert first.live("whole")["error"] == "", "it ends, and lets its lease go"
    head = first.site.head(first.region)
    with watching(first.site.room.site.url, [first.region.public]) as watch:
        older.site.edit(1)
        refused = older.live("whole")
        assert refused["error"] == "diverged"
        assert not {"after DELETE", "after purge"} & set(refused["passed"])
        assert older.site.head(older.region) == head
        first.site.edit(2)
        assert first.live("whole")["error"] == ""
        assert first.site.faults() == [], "whoever was refused left nothing behind"

        head = first.site.head(first.region)
        name = settings.load(older.environ).regions[0].name
        foreseen = publisher(older, "push", "--dry-run")
        assert "a push would be refused" in foreseen.stderr
        told = publisher(older, "target", "take-over", "--yes", name)
        assert "a new epoch begins" in told.stdout, told.stderr
        assert older.live("whole")["error"] == ""
        assert publisher(older, "reconcile", "--remove-foreign", "*", name).returncode == 0
        assert older.live("whole")["error"] == ""
        assert older.site.faults() == []
        assert checks.fallen([head, older.site.head(older.region)]) == []
        assert "nothing to take over" in publisher(older, "target", "take-over", name).stdout
        first.site.edit(1)
        assert first.live("whole")["error"] == "diverged"
    older.close()
    assert watch.wrong() == []
    tally("an older copy of the database takes a lease that was let go", "two publishers",
          observations=watch.observations)  # fmt: skip


def publisher(victim: Victim, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, with the settings of a victim."""
    return subprocess.run(
        [sys.executable, "-m", "publisher", *words], env=victim.environ, capture_output=True, text=True, check=False
    )


@pytest.mark.faults
@pytest.mark.parametrize("offset", ["+20m", "-20m"])
def test_a_clock_that_is_wrong_by_twenty_minutes_is_told_of_and_heals(
    first: Victim, object_store: Settings, tmp_path: Path, offset: str, tally: Callable[..., None]
) -> None:
    wrong = copied(first, tmp_path / "wrong", object_store, **clock(offset))
    wrong.site.edit(4)
    with watching(first.site.room.site.url, [first.region.public]) as watch:
        assert wrong.live("whole")["error"] == "target_failed clock", "no store takes what is signed so long ago"
        healed = copied(wrong, tmp_path / "healed", object_store)
        assert until_published(healed)["error"] == ""
        assert healed.site.faults() == []
    for victim in (wrong, healed):
        victim.close()
    assert watch.wrong() == []
    tally("a clock that is wrong by 20 minutes", f"publisher, {offset}", observations=watch.observations)


@pytest.mark.faults
@pytest.mark.parametrize("offsets", [("+14m", "-14m"), ("-14m", "+14m")])
def test_a_lease_is_judged_by_no_clock(
    first: Victim, object_store: Settings, tmp_path: Path, offsets: tuple[str, str], tally: Callable[..., None]
) -> None:
    one = copied(first, tmp_path / "one", object_store, **clock(offsets[0]))
    one.site.edit(4)
    with watching(first.site.room.site.url, [first.region.public]) as watch:
        assert until_published(one)["error"] == ""
        assert one.site.faults() == []
        one.site.edit(6)
        other = copied(one, tmp_path / "other", object_store, **clock(offsets[1]))
        assert overtaken(one, other, 9)
    for victim in (one, other):
        victim.close()
    assert watch.wrong() == []
    where = f"two publishers, {offsets[0]} and {offsets[1]}"
    tally("clocks that differ by 28 minutes, SIGSTOP past the lease", where, observations=watch.observations)
