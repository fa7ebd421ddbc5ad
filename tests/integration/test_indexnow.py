"""Search engines are told what changed once readers get it, in batches, and no publish waits for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from publisher.content import reviews
from publisher.content.model import State
from publisher.delivery import indexnow, lane
from publisher.delivery.indexnow import Announcer, Endpoint
from publisher.delivery.receipts import Route
from publisher.errors import SettingsError
from publisher.settings import load
from publisher.site.pages import Site
from tests import receiver
from tests.newsroom import SITE, Newsroom
from tests.receiver import Receiver, receiving
from tests.running import Up, read_until

KEY = "a1b2c3d4-e5f6"


class Told:
    """A newsroom, a search engine, and who tells the one of the other."""

    def __init__(self, folder: Path, engine: Receiver) -> None:
        self.room, self.engine = Newsroom(folder, site=msgspec.structs.replace(SITE, indexnow=KEY)), engine
        self.counted: Counter[str] = Counter()
        self.room.staff()
        self.room.ledger.journal.serve([Route(target="memory", purges=True)])
        self.deliver()
        self.announcer = self.another()

    def another(self) -> Announcer:
        endpoint = Endpoint(url=self.engine.url, key=KEY, site_url=SITE.url)
        return Announcer(
            endpoint, self.room.folder / "ledger.db", clock=self.room.clock, every=0.0,
            count=lambda outcome, waiting: self.counted.update([outcome]),
        )  # fmt: skip

    def deliver(self) -> int:
        """Build and push, without the purge; the release."""
        self.room.build()
        lane.deliver(self.room.pusher, self.room.builder.heal, self.room.clock)
        return self.room.pusher.delivered()

    def purged(self, release: int) -> None:
        self.room.ledger.journal.reached("purged", "memory", release, self.room.clock())

    def publish(self) -> None:
        self.purged(self.deliver())

    def pages(self) -> list[set[str]]:
        """The paths that each call named."""
        return [{urlsplit(url).path for url in message.said["urlList"]} for message in self.engine.messages]

    def standing(self) -> indexnow.Standing:
        return indexnow.standing(self.room.ledger.connection)

    def close(self) -> None:
        self.announcer.close()
        self.room.close()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with receiving() as engine:
        made = Told(tmp_path, engine)
        yield made
        made.close()


def test_what_changed_is_told_once_the_purge_is_confirmed(told: Told) -> None:
    told.room.post("La luz", product=told.room.products[0], tags=("viaje",))
    release = told.deliver()
    assert told.announcer.turn() == 0, "readers may still get what was before"
    assert told.engine.messages == []
    told.purged(release)
    assert told.announcer.turn() > 0
    message = told.engine.messages[0].said
    assert message["host"] == "reviews.example"
    assert message["key"] == KEY
    assert message["keyLocation"] == f"{SITE.url}/{KEY}.txt"
    product = told.room.products[0]
    editor = told.room.editors[0].slug
    assert told.pages() == [
        {"/", "/reviews/la-luz/", f"/cameras/{product.slug}/", f"/brands/{product.brand.lower()}/",
         f"/editors/{editor}/", "/tags/viaje/"}
    ]  # fmt: skip
    assert told.announcer.turn() == 0, "nothing is told twice"
    assert told.counted == {"taken": 1}


def test_several_publishes_are_told_in_one_call_and_what_has_gone_too(told: Told) -> None:
    gone = told.room.post("Una")
    told.publish()
    told.room.post("Dos")
    told.publish()
    told.room.writer.run(partial(reviews.move, review_id=gone.id, state=State.draft))
    told.publish()
    told.announcer.turn()
    assert len(told.engine.messages) == 1
    assert {"/reviews/una/", "/reviews/dos/"} <= told.pages()[0]


def test_a_failure_is_said_and_tried_again_later_and_nothing_is_lost(told: Told) -> None:
    told.engine.answer = receiver.status(503)
    told.room.post("Una")
    told.publish()
    told.announcer.turn()
    told.announcer.turn()
    assert len(told.engine.messages) == 1, "it is not time yet"
    found = told.standing()
    assert (found.attempts, found.reason) == (1, "IndexNow answered 503")
    assert found.waiting > 0
    told.announcer.close()
    told.announcer = told.another()
    told.room.clock.at += timedelta(minutes=1)
    told.announcer.turn()
    assert told.standing().attempts == 2
    told.engine.answer = receiver.status(202)
    told.room.post("Dos")
    told.publish()
    told.room.clock.at += timedelta(minutes=2)
    assert told.announcer.turn() == len(told.pages()[-1])
    assert {"/reviews/una/", "/reviews/dos/"} <= told.pages()[-1]
    assert told.standing() == indexnow.Standing(waiting=0, next_try_at=told.standing().next_try_at)
    assert told.counted == {"failed": 2, "taken": 1}


def test_a_clock_that_was_ahead_keeps_nobody_from_telling(told: Told) -> None:
    told.room.clock.at += timedelta(days=700)
    told.engine.answer = receiver.status(503)
    told.room.post("Una")
    told.publish()
    told.announcer.turn()
    told.room.clock.at -= timedelta(days=700)
    told.engine.answer = receiver.status(202)
    assert told.announcer.turn() > 0
    told.room.post("Dos")
    told.publish()
    assert told.announcer.turn() > 0


@pytest.mark.parametrize(
    ("answer", "pause"),
    [(receiver.status(429, Retry_After="900"), 900), (receiver.status(403), 5), (receiver.status(301), 5)],
)
def test_a_refusal_says_why_and_how_long_it_waits(told: Told, answer: receiver.Answer, pause: int) -> None:
    told.engine.answer = answer
    told.room.post("Una")
    told.publish()
    told.announcer.turn()
    found = told.standing()
    assert found.next_try_at is not None
    assert pause - 5 < (found.next_try_at - told.room.clock.at).total_seconds() <= pause
    assert found.reason.startswith("IndexNow answered")


def test_an_engine_that_is_not_there_holds_nobody_up(told: Told) -> None:
    with receiving() as gone:
        told.engine = gone
        told.announcer.close()
        told.announcer = told.another()
    told.room.post("Una")
    told.publish()
    told.announcer.turn()
    assert told.standing().reason.startswith("IndexNow cannot be reached")


def test_the_whole_site_is_not_told_when_it_begins_nor_numbered_pages(told: Told) -> None:
    told.publish()
    assert told.announcer.turn() == 0
    kinds = {
        "index.html": True, "reviews/luz/index.html": True, "lenses/a/index.html": True, "tags/a/index.html": True,
        "tags/a/1/index.html": False, "cameras/a/reviews/1/index.html": False, "archive/1/index.html": False,
        "search/index.html": False, "404.html": False, "feed.xml": False, "content/index.json": False,
    }  # fmt: skip
    assert {key: indexnow.is_told(key) for key in kinds} == kinds


def test_the_key_is_a_file_of_the_site_only_while_there_is_one(told: Told) -> None:
    assert told.room.target.bodies[f"{KEY}.txt"] == KEY.encode()
    assert told.room.target.headers[f"{KEY}.txt"][0] == "text/plain; charset=utf-8"
    told.room.builder.close()
    told.room.site = msgspec.structs.replace(SITE, indexnow="another-key")
    told.room.builder = told.room.another_builder(told.room.ledger)
    told.publish()
    assert f"{KEY}.txt" not in told.room.target.bodies
    assert told.room.target.bodies["another-key.txt"] == b"another-key"
    assert Site(title="t", language="es", url="https://x.example").indexnow == ""


def test_a_key_that_engines_would_refuse_is_refused() -> None:
    for wrong in ("short", "has space 123", "x" * 129, "../../etc/passwd"):
        with pytest.raises(SettingsError, match="SITE_INDEXNOW_KEY"):
            load({"SITE_INDEXNOW_KEY": wrong})
    assert load({"SITE_INDEXNOW_KEY": KEY}).site.indexnow_key == KEY


def test_a_running_site_tells_and_publishes_whether_or_not_it_is_heard(tmp_path: Path) -> None:
    with receiving() as engine:
        engine.answer = receiver.status(500)
        environment = {"SITE_INDEXNOW_KEY": KEY, "SITE_INDEXNOW_URL": engine.url}
        up = Up(tmp_path / "data", **environment)
        token, edge = up.token(up.ready["admin_password"]), up.ready["edge"]
        assert httpx.get(f"{edge}/{KEY}.txt", timeout=60).text == KEY
        up.post(token, title="La luz", content="De madrugada.", camera_model="Leica Q3")
        read_until(f"{edge}/reviews/la-luz/", "madrugada")
        engine.wait_for(1)
        engine.answer = receiver.status(200)
        said = engine.wait_for(2)[-1].said
        assert f"{edge}/reviews/la-luz/" in said["urlList"]
        assert up.end() == 0
