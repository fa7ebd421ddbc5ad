"""A takedown, end to end, on targets in memory: no byte of the review stays, and apps at any version lose it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from publisher.content import database, reviews
from publisher.content.model import Draft, State
from publisher.delivery import caps, standing
from publisher.delivery.garbage import Garbage
from publisher.delivery.lease import Lease
from publisher.delivery.push import Pusher
from publisher.errors import ConflictError
from publisher.schedules import Schedules
from publisher.site import markdown, sign, sync_wire
from publisher.takedown import Certificate, Reach, Takedown, united
from randomcamerareviews.client import Client
from randomcamerareviews.errors import UnreachableError
from tests.newsroom import Memory, Newsroom, text

SECRET = "secretisimo"
RUN = {"reason": "the author's wish", "by": "root", "site": "https://reviews.example", "backups": "until then"}


class House:
    """A newsroom with two targets, a review that must go and was edited often, and apps at many versions."""

    def __init__(self, folder: Path) -> None:
        self.room = Newsroom(folder / "room")
        self.room.staff(1, 2, 1)
        self.targets = [self.room.target, Memory("far")]
        self.pushers = [
            self.room.pusher,
            Pusher(self.room.ledger, self.room.objects, self.targets[1], cap=caps.UNLIMITED),
        ]
        self.folder, self.apps = folder, list[Client]()
        self.publish()
        self.bad = self.room.post(f"La {SECRET}", f"Texto {SECRET}. " * 400, tags=("viaje", SECRET)).id
        self.publish()
        for number in range(40):
            self.room.post(f"Reseña {number}", "palabra " * 900)
            if number % 7 == 0:
                draft = Draft(title=f"La {SECRET} {number}", summary=SECRET, pros=(SECRET,))
                self.room.writer.run(
                    partial(reviews.update, review_id=self.bad, draft=draft, body=text(f"{number} {SECRET}. " * 300))
                )
            self.publish()
            if number % 5 == 0:
                self.app()

    def publish(self) -> None:
        self.room.build()
        for pusher in self.pushers:
            pusher.run()

    def fetch(self, path: str, limit: int) -> bytes:
        body = self.room.target.bodies.get(path.lstrip("/"))
        if body is None:
            raise UnreachableError("missing", path)
        return body

    def app(self) -> Client:
        """An app that is up to date."""
        client = Client(
            "https://reviews.example", self.folder / f"app-{len(self.apps)}.db", fetch=self.fetch,
            clock=lambda: self.room.clock.at,
        )  # fmt: skip
        client.sync()
        self.apps.append(client)
        return client

    def takedown(self) -> Takedown:
        room = self.room
        return Takedown(
            self.bad, content_db=room.content_db, ledger=room.ledger, objects=room.objects, builder=room.builder,
            garbage=Garbage(room.ledger, room.objects, self.pushers, clock=room.clock),
            reaches=[Reach(pusher, "", None) for pusher in self.pushers], clock=room.clock, patience=0,
        )  # fmt: skip

    def run(self) -> Certificate:
        return self.takedown().run(empty=markdown.render(""), **RUN)

    def traces(self) -> list[str]:
        """Wherever a byte of the review still is: keys of targets, and files."""
        found = [
            f"{target.name}: {key}" for target in self.targets for key, body in target.bodies.items()
            if SECRET.encode() in body or SECRET in key or names(key, body, self.bad)
        ]  # fmt: skip
        with closing(database.connect(self.room.content_db)) as db:
            db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        files = [path for path in self.room.folder.rglob("*.db*") if SECRET.encode() in path.read_bytes()]
        return found + [path.name for path in files]

    def close(self) -> None:
        for app in self.apps:
            app.close()
        self.pushers[1].close()
        self.room.close()


def names(key: str, body: bytes, review_id: str) -> bool:
    """Whether a bundle holds a record of the review; that it is gone may be said."""
    if not key.startswith(sync_wire.FOLDER):
        return False
    return any(one.get("id") == review_id for one in msgspec.json.decode(body).get("reviews", ()))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house in which nobody was taken down yet."""
    fresh = House(tmp_path)
    yield fresh
    fresh.close()


def test_no_byte_stays_anywhere_and_apps_at_every_version_lose_it(house: House) -> None:
    assert len(house.traces()) > 20
    assert all(app.review(house.bad) for app in house.apps)
    certificate = house.run()
    assert house.traces() == []
    assert certificate.is_complete
    assert [len(place.objects) > 5 for place in certificate.targets] == [True, True]
    assert any(SECRET in page for page in certificate.targets[0].pages)
    assert (certificate.revisions, certificate.reason) == (7, RUN["reason"])
    fresh = house.app()
    states = []
    for app in house.apps:
        app.sync()
        assert app.review(house.bad) is None
        states.append(list(app.reviews()))
    assert all(state == states[-1] for state in states)
    assert len(list(fresh.reviews())) == 40


def test_what_stands_is_what_a_clean_build_gives(house: House) -> None:
    house.run()
    clean = {row.key: house.room.objects.get(row.body) for row in house.room.clean_build()}
    assert house.room.target.bodies == clean
    house.room.post("Después", "La vida sigue.")
    house.publish()
    assert house.traces() == []


def test_the_pages_go_back_to_nothing_of_before(house: House) -> None:
    house.run()
    kept = [past.number for past in house.room.ledger.history.releases() if past.is_kept]
    assert kept == [house.room.ledger.history.shown()]


def test_old_bundles_go_that_the_ledger_knows_nothing_of(house: House) -> None:
    with house.room.ledger.transaction():
        house.room.ledger.connection.execute(
            "DELETE FROM held WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.key = held.key)"
        )
        house.room.ledger.connection.execute("DELETE FROM faded")
    house.targets[0].put("elsewhere/theirs.json", b"theirs", "application/json", "no-store")
    house.targets[0].put("content/search/v1/of-an-older-edition.json", SECRET.encode(), "application/json", "no-store")
    assert house.run().is_complete
    assert house.traces() == []
    assert "elsewhere/theirs.json" in house.targets[0].bodies


def test_its_pages_go_that_the_ledger_knows_nothing_of(house: House) -> None:
    with house.room.ledger.transaction():
        house.room.ledger.connection.execute("DELETE FROM held WHERE key LIKE 'reviews/%' OR key LIKE 'tags/%'")
    house.targets[0].put("reviews/theirs/index.html", b"theirs", "text/html", "no-store")
    certificate = house.run()
    assert certificate.is_complete
    assert house.traces() == []
    assert "reviews/theirs/index.html" in house.targets[0].bodies, "the review was never there"
    assert not {f"/{key}" for key in certificate.targets[0].objects} & set(certificate.targets[0].pages)


def test_nothing_is_removed_from_a_target_that_another_publisher_has(house: House) -> None:
    near = house.targets[0]
    Lease(near, "another", lambda: "mark").hold()
    house.pushers[0].close()
    mine = Lease(near, "mine", lambda: "other mark")
    house.pushers[0] = Pusher(house.room.ledger, house.room.objects, near, lease=mine, cap=caps.UNLIMITED)
    before = dict(near.bodies)
    certificate = house.run()
    assert not certificate.is_complete
    assert "another publisher (another) has the lease" in certificate.targets[0].failure
    assert near.bodies == before
    assert certificate.targets[1].failure == ""
    house.pushers[0].close()


@pytest.mark.parametrize("what", ["bundles", "history", "bodies", "text", "scrub"])
def test_a_step_that_is_left_out_is_seen(house: House, what: str) -> None:
    """The check is worth something: without any one of its steps a takedown leaves traces."""
    down = house.takedown()
    left_out: dict[str, tuple[object, str, Callable[..., object]]] = {
        "bundles": (down._garbage, "remove_outdated", lambda target, folders, pages, purging: []),
        "history": (house.room.ledger.history, "begin_at", lambda release: None),
        "bodies": (down._garbage, "sweep", list),
        "text": (down, "_rebuild", lambda: None),
        "scrub": (down, "_scrub", list),
    }
    place, name, nothing = left_out[what]
    setattr(place, name, nothing)
    down.run(empty=markdown.render(""), **RUN)
    assert house.traces() != []


def test_a_target_that_is_away_is_told_of_and_done_the_next_time(house: House) -> None:
    far = house.targets[1]
    whole, far.broken = set(far.bodies), set(far.bodies)
    first = house.run()
    assert not first.is_complete
    assert "planted" in first.targets[1].failure
    assert any(trace.startswith("far") for trace in house.traces())
    assert not any(trace.startswith("memory") for trace in house.traces())
    far.broken = set()
    second = united(house.run(), first)
    assert second.is_complete
    assert house.traces() == []
    assert second.at == first.at
    assert second.targets[0].objects == first.targets[0].objects
    assert set(second.targets[1].objects) <= whole
    assert second.change == first.change


def test_a_target_that_is_no_more_in_the_settings_is_not_forgotten(house: House) -> None:
    house.targets[1].broken = set(house.targets[1].bodies)
    first, failed = house.run(), house.targets[1].name
    house.pushers.pop().close()
    alone = house.run()
    house.pushers.append(house.room.pusher)  # closed with the house
    assert alone.is_complete
    both = united(alone, first)
    assert [place.target for place in both.targets] == ["memory", failed]
    assert not both.is_complete, "the review is there still"
    assert united(alone, msgspec.structs.replace(first, targets=first.targets[:1])).is_complete


def test_a_target_that_left_the_settings_is_named_and_done_when_it_is_back(house: House) -> None:
    far = house.pushers.pop()
    first = house.run()
    assert first.elsewhere == ["far"]
    assert any(trace.startswith("far") for trace in house.traces())
    house.pushers.append(far)
    assert house.run().elsewhere == []
    assert house.traces() == []


def test_a_target_that_only_has_another_name_now_has_not_left(house: House) -> None:
    ledger = house.room.ledger
    ledger.register("far", "store/far/")
    house.pushers[1].run()
    assert standing.left(ledger.connection, ["memory"]) == ["far"]
    ledger.register("remote", "store/far/")
    assert standing.left(ledger.connection, ["memory", "remote"]) == []


def test_a_database_that_others_hold_is_told_of_and_done_the_next_time(house: House) -> None:
    with closing(database.connect(house.room.content_db)) as other, database.snapshot(other):
        other.conn.execute("SELECT count(*) FROM reviews").fetchone()
        first = house.run()
    assert "in use by others" in first.unscrubbed[0]
    assert house.run().unscrubbed == []
    assert house.traces() == []


def test_a_draft_is_taken_down_too(house: House) -> None:
    house.run()
    draft = house.room.post(f"Borrador {SECRET}", SECRET, state=State.draft)
    house.bad = draft.id
    house.publish()
    assert house.traces() != []
    house.run()
    assert house.traces() == []


@pytest.mark.parametrize("moment", ["before", "amid", "after"])
def test_a_review_whose_time_comes_stays_away(house: House, moment: str) -> None:
    clock = house.room.clock
    due = clock.at + timedelta(hours=1)
    planned = house.room.post(f"Plan {SECRET}", SECRET, tags=(SECRET,), state=State.scheduled, publish_at=due)
    house.publish()
    house.run()
    house.bad, fired, put = planned.id, list[int](), house.targets[1].put
    schedules = Schedules(house.room.content_db, clock=clock)

    def come() -> None:
        clock.at = max(clock.at, due)
        fired.append(schedules.fire())

    def slow_put(*args: Any) -> str:
        if moment == "amid":
            come()
        return put(*args)

    if moment == "before":
        come()
    house.room.post("Otra", "Para que haya algo que enviar.")
    house.targets[1].put = slow_put  # type: ignore[assignment,method-assign]
    certificate = house.run()
    if moment == "after":
        come()
    assert sum(fired) == (1 if moment == "before" else 0)
    assert fired
    house.publish()
    assert certificate.is_complete
    assert house.traces() == []
    with closing(database.connect(house.room.content_db)) as db:
        assert reviews.next_due(db) is None
    schedules.close()


def test_pages_that_are_rolled_back_come_forward_first(house: House) -> None:
    with house.room.ledger.transaction():
        house.room.ledger.history.roll_back(house.room.ledger.history.shown() - 1, at=house.room.clock(), actor="ana")
    with pytest.raises(ConflictError, match="--end"):
        house.run()


def test_a_certificate_is_no_head(house: House) -> None:
    signer = house.room.builder._bundler._signer
    signed = signer.sign(b"{}", house.room.clock(), "takedown+jws")  # type: ignore[call-arg]
    keys = sign.read_keys(signer.keyset())
    with pytest.raises(Exception, match="not a signed head"):
        sign.verified(signed, keys)
    assert sign.verified(signer.sign(b"{}", house.room.clock()), keys) == b"{}"
