"""Any sequence of releases, rolled back to any that is kept: the target holds the bytes and headers of that release."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.delivery import history
from publisher.delivery.history import History
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import NotFoundError
from tests.newsroom import Memory

AT = datetime(2026, 1, 2, tzinfo=UTC)
KEYS = tuple("abcdefgh")
LISTINGS = KEYS[5:]
Site = dict[str, tuple[bytes, str]]
"""Of each key the body and its Cache-Control."""
says = st.tuples(st.integers(0, 3), st.sampled_from(["short", "long"])) | st.none()
others = st.tuples(st.sampled_from(["back", "end", "push", "bundle"]), st.integers(0, 25))
releases = st.tuples(st.just("release"), st.dictionaries(st.sampled_from(KEYS), says))
acts = st.lists(releases | others, min_size=5, max_size=60)


class Publisher:
    """A ledger with its store and target, and beside it a model: whole copies of every release."""

    def __init__(self, folder: Path, kept: int) -> None:
        self.ledger, self.objects, self.target = Ledger(":memory:"), Objects(folder), Memory()
        self.pusher = Pusher(self.ledger, self.objects, self.target, concurrency=1)
        self.kept, self.seq, self.bundles = kept, 0, 0
        self.site: Site = {}
        self.past: list[Site] = [{}]
        self.shown: int | None = None

    def release(self, changes: dict[str, tuple[int, str] | None]) -> None:
        self.seq += 1
        site = dict(self.site)
        for key, said in changes.items():
            if said is None:
                site.pop(key, None)
            else:
                site[key] = (f"{key} {said[0]}".encode(), said[1])
        written = [self._desired(key, *site[key]) for key in changes if key in site]
        gone = [key for key in changes if key not in site]
        made = self.ledger.record(written, gone, seq=self.seq, content_version=self.seq, edition="e", at=AT)
        assert (made is not None) == (site != self.site)
        if made is not None:
            self.past.append(site)
            assert made.number == len(self.past) - 1
        self.site = site

    def bundle(self) -> None:
        """Put something that is no part of any release."""
        self.bundles += 1
        body = self.objects.put(b"bundle %d" % self.bundles)
        row = Desired(f"content/sync/{self.bundles}", "", body, "application/json", "immutable", 4)
        self.ledger.keep((), (), [row], [f"content/sync/{self.bundles - 2}"], state=str(self.bundles))

    def back(self, by: int) -> None:
        release = len(self.past) - 1 - by
        kept = release >= 1 and by < self.kept
        with suppress(NotFoundError) if not kept else self.ledger.transaction():
            self.ledger.history.roll_back(release, at=AT, actor="ana")
            self.shown = release
            assert kept, f"release {release} is too old"

    def end(self) -> None:
        if self.shown is not None:
            with self.ledger.transaction():
                self.ledger.history.end(AT)
            self.shown = None

    def check(self) -> None:
        """The target holds exactly the pages that are to be shown, and every bundle."""
        self.pusher.run()
        wanted = self.past[self.shown] if self.shown is not None else self.site
        bundles = {key for key in self.target.bodies if key.startswith("content/sync/")}
        assert bundles >= {f"content/sync/{number}" for number in (self.bundles - 1, self.bundles) if number > 0}
        held = {
            key: (body, self.target.headers[key][1]) for key, body in self.target.bodies.items() if key not in bundles
        }
        assert held == wanted
        assert self.ledger.history.shown() == (self.shown if self.shown is not None else len(self.past) - 1)

    def differences(self) -> None:
        """What the history says differs between the oldest and the newest kept releases is what does."""
        newest = len(self.past) - 1
        oldest = max(newest - self.kept + 1, 1)
        if newest < 1:
            return
        for low, high in ((oldest, newest), (newest, oldest), ((oldest + newest) // 2, newest)):
            told = {one.key: (one.before, one.after) for one in self.ledger.history.difference(low, high)}
            before, after = self.past[low], self.past[high]
            assert told.keys() == {key for key in before | after if before.get(key) != after.get(key)}
            for key, (old, new) in told.items():
                assert (old is None, new is None) == (key not in before, key not in after)
                for state, site in ((old, before), (new, after)):
                    assert state is None or (self.objects.get(state.body), state.cache_control) == site[key]

    def close(self) -> None:
        self.pusher.close()
        self.ledger.close()
        self.objects.close()

    def _desired(self, key: str, body: bytes, cache: str) -> Desired:
        return Desired(key, "c", self.objects.put(body), "text/html", cache, 2 if key in LISTINGS else 1)


def play(done: list[tuple[str, object]], folder: Path) -> None:
    publisher = Publisher(folder, history.KEPT)
    try:
        for act, said in done:
            if act == "release":
                publisher.release(said)  # type: ignore[arg-type]
            elif act == "back":
                publisher.back(said)  # type: ignore[arg-type]
            elif act == "push":
                publisher.check()
            elif act == "bundle":
                publisher.bundle()
            else:
                publisher.end()
        publisher.check()
        publisher.differences()
        publisher.end()
        publisher.check()
    finally:
        publisher.close()


@settings(max_examples=60)
@given(acts)
def test_pages_go_back_to_any_kept_release(done: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(done, Path(folder))


def every(count: int) -> list[tuple[str, object]]:
    """As many releases, each of which changes one key, adds one and removes one."""

    def one(number: int) -> dict[str, tuple[int, str] | None]:
        here, next_one = KEYS[1 + number % 7], KEYS[1 + (number + 1) % 7]
        return {"a": (number % 4, "short"), here: (number % 3, "long"), next_one: None}

    return [("release", one(number)) for number in range(count)]


@pytest.mark.parametrize("by", range(history.KEPT + 2))
def test_all_twenty_and_no_more(by: int, tmp_path: Path) -> None:
    play([*every(30), ("push", 0), ("back", by), ("push", 0), *every(25), ("push", 0)], tmp_path)


FAULTS: list[tuple[str, Callable[[History], None]]] = [
    ("nothing is remembered", lambda held: held._conn.execute("DELETE FROM undo")),
    ("a row is lost", lambda held: held._conn.execute("DELETE FROM undo WHERE key = 'a' AND release = 25")),
    ("a body is another", lambda held: held._conn.execute("UPDATE undo SET body = 'x' WHERE release = 25")),
]


@pytest.mark.parametrize(("what", "plant"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_the_check_sees_a_planted_fault(what: str, plant: Callable[[History], None], tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, history.KEPT)
    for _, said in every(30):
        publisher.release(said)  # type: ignore[arg-type]
    publisher.check()
    plant(publisher.ledger.history)
    publisher.back(30 - 24)
    with pytest.raises(Exception):  # noqa: B017, PT011 - by the bytes, or by a body that is not there
        publisher.check()
    publisher.close()
