"""From every version to every later one: exactly the same content, by few requests and few bytes.

A history of 1,000 versions is published one by one, without pages: reviews are created, edited (the newest more often,
as in life), renamed, withdrawn and brought back, products change and are merged, editors change their names. What a
client would fetch is chosen by the Python client's own `choose`; that both clients do what the protocol says is the
business of `tests/clients`.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher import keys
from publisher.bundler import Bundler
from publisher.content import database, duplicates, editors, effects, products, reviews
from publisher.content.model import Draft, Effect, Review, Slug, State
from publisher.errors import PublisherError
from publisher.signing import Signing
from publisher.site import sync, sync_wire
from randomcamerareviews import protocol
from randomcamerareviews.protocol import Head, Plan
from tests.newsroom import SITE, Newsroom, text

VERSIONS = 1_000
SEED = 20
SLACK = 4_000
"""Bytes that are granted beside 4 times the difference: here they pay for the head, too."""
State_ = dict[tuple[str, str], bytes]
"""Every public record, encoded, by kind and id."""


class History:
    """A site that publishes after each act; heads, objects and states by version."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.room, self.chance = Newsroom(folder), random.Random(seed)
        self.room.staff(count=3, cameras=20, lenses=10)
        self.db = database.connect(self.room.content_db, readonly=True)
        signing = Signing(folder / "keys", clock=self.room.clock)
        self.bundler = Bundler(self.db, self.room.ledger, self.room.objects, SITE, signing)
        self.trusted = dict(keys.load(folder / "keys", self.room.clock()).verifying)
        self.known: list[Review] = []
        self.heads: dict[int, Head] = {}
        self.signed: dict[int, bytes] = {}
        self.numbers: dict[int, int] = {}
        self.touched: dict[int, set[tuple[str, str]]] = {}
        self.states: dict[int, State_] = {}
        self.state: State_ = {}
        self.objects: dict[str, bytes] = {}
        self._read: dict[str, tuple[list[tuple[str, str]], State_]] = {}

    def close(self) -> None:
        self.db.close()
        self.room.close()

    def run(self, versions: int) -> None:
        """Act and publish until so many versions are there."""
        self.publish()
        while len(self.heads) < versions:
            self.act()
            self.publish()

    def publish(self) -> None:
        """Bundle, and remember what is there; nothing when nothing public was done."""
        newest, before = effects.newest(self.db), max(self.heads, default=0)
        if newest.seq == before:
            return
        self.bundler.bundle()
        low = self.numbers.get(before, 0)
        told = list(effects.between(self.db, low, newest.number))
        self.state = self.state | {(one.entity, one.entity_id): encoded(one) for one in told}
        self.state = {key: body for key, body in self.state.items() if body}
        rows = {row.key: row for row in self.room.ledger.desired()}
        for key, row in rows.items():
            name = key.rpartition("/")[2].removesuffix(".json")
            if key.startswith(sync_wire.FOLDER) and name not in self.objects:
                self.objects[name] = self.room.objects.get(row.body)
        signed = self.room.objects.get(rows[sync_wire.SIGNED_HEAD].body)
        version = newest.seq
        self.signed[version] = signed
        self.heads[version] = protocol.read_head(signed, self.trusted, SITE.url, self.room.clock.at)
        self.numbers[version], self.states[version] = newest.number, self.state
        self.touched[version] = {(one.entity, one.entity_id) for one in told}

    def act(self) -> None:
        """One act of a newsroom; what is refused (a withdrawn review withdrawn again) is no act."""
        chance, write = self.chance, self.room.writer.run
        if len(self.known) < 5 or chance.random() < 0.4:
            title = f"Reseña {len(self.known)}"
            product = chance.choice([None, *self.room.products])
            if product is not None:
                product = write(partial(_current, product_id=product.id))
            editor, tags = chance.choice(self.room.editors), (chance.choice(("viaje", "noche", "Río")),)
            self.known.append(self.room.post(title, self.words(), product=product, editor=editor, tags=tags))
            return
        review = self.known[-1] if chance.random() < 0.3 else chance.choice(self.known)
        one, other = chance.sample(self.room.products, 2)
        draft = Draft(title=f"Otra {chance.random():.3}", tags=("viaje",))
        acts: dict[str, tuple[int, Callable[..., Any]]] = {
            "edit": (50, partial(reviews.update, review_id=review.id, draft=draft, body=text(self.words()))),
            "rename": (12, partial(_rename, review_id=review.id, slug=f"otra-{chance.randrange(999)}")),
            "withdraw": (10, partial(reviews.move, review_id=review.id, state=State.archived)),
            "delete": (5, partial(reviews.move, review_id=review.id, state=State.deleted)),
            "publish": (6, partial(reviews.move, review_id=review.id, state=State.published)),
            "product": (10, partial(products.update, product_id=one.id, model=f"Modelo {chance.randrange(999)}")),
            "merge": (4, partial(duplicates.merge, duplicate_id=one.id, survivor_id=other.id)),
            "editor": (3, partial(editors.rename, editor_id=self.room.editors[0].id, name=f"N {chance.randrange(99)}")),
        }
        (name,) = chance.choices(list(acts), weights=[weight for weight, _ in acts.values()])
        try:
            write(acts[name][1])
        except PublisherError:
            return

    def words(self) -> str:
        """A text of some 1.2 kB as a rule, seldom of 6 kB."""
        return "Palabras que *dicen* algo. " * int(self.chance.lognormvariate(math.log(45), 0.6))

    def plan(self, since: int, until: int) -> tuple[Plan, int, int]:
        """What a client at version `since` does at head `until`: its plan, requests and bytes, the head included."""
        head, requests, size = self.heads[until], 1, len(self.signed[until])
        segments = head.segments
        if head.older is not None and not protocol.reaches(head, since):
            requests, size = requests + 1, size + head.older.object.length
            segments += protocol.read_segments(self.objects[head.older.object.sha256], head)
        plan = protocol.choose(head, since, segments)
        assert plan is not None
        fetched = [one.object for one in plan.segments if one.object is not None]
        if plan.snapshot is not None:
            fetched += [plan.snapshot.index, *self.parts(plan)]
        return plan, requests + len(fetched), size + sum(one.length for one in fetched)

    def parts(self, plan: Plan) -> tuple[protocol.Object, ...]:
        assert plan.snapshot is not None
        return protocol.read_parts(self.objects[plan.snapshot.index.sha256], plan.snapshot)

    def followed(self, plan: Plan, state: State_) -> State_:
        """What becomes of a copy that follows a plan."""
        names = [one.object.sha256 for one in plan.segments if one.object is not None]
        if plan.snapshot is not None:
            state, names = {}, [one.sha256 for one in self.parts(plan)] + names
        result = dict(state)
        for gone, records in map(self.read, names):
            for key in gone:
                result.pop(key, None)
            result |= records
        return result

    def read(self, name: str) -> tuple[list[tuple[str, str]], State_]:
        """What a bundle takes away and brings."""
        if name not in self._read:
            assert protocol.digest(self.objects[name]) == name
            bundle = protocol.read_bundle(self.objects[name])
            self._read[name] = (
                [(one["kind"], one["id"]) for one in bundle["gone"]],
                {
                    (kind, record["id"]): compact(record)
                    for kind in ("editor", "product", "review")
                    for record in bundle[f"{kind}s"]
                },
            )
        return self._read[name]

    def differences(self, until: int) -> Iterator[tuple[int, int]]:
        """For every earlier version: how many bytes the records take that differ, as one bundle."""
        versions, newest = sorted(self.heads), self.states[until]
        sizes: dict[tuple[str, str], int] = {}
        empty = len(sync.bundle(SITE, ()))
        for after, since in reversed(list(zip(versions[1:], versions, strict=False))):
            if after > until:
                continue
            for key in self.touched[after]:
                was, now = self.states[since].get(key), newest.get(key)
                gone = len(compact({"kind": key[0], "id": key[1]})) + 1
                sizes[key] = 0 if was == now else gone if now is None else len(now) + 1
            yield since, empty + sum(sizes.values())


def _current(tx: Any, product_id: str) -> Any:
    return products.current(tx.db, product_id)


def _rename(tx: Any, review_id: str, slug: str) -> Review:
    held = reviews.get(tx.db, review_id)
    draft = Draft(title=held.title, slug=Slug(slug), tags=held.tags, product_id=held.product_id)
    return reviews.update(tx, review_id, draft, reviews.text(tx.db, held.text_digest))


def encoded(effect: Effect) -> bytes:
    """A record as a bundle holds it; nothing when it is gone."""
    if effect.value is None:
        return b""
    bundle = json.loads(sync.bundle(SITE, [effect]))
    return compact(bundle[f"{effect.entity}s"][0])


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A history of 1,000 versions."""
    history = History(tmp_path_factory.mktemp("history"), SEED)
    history.run(VERSIONS)
    yield history
    history.close()


def excesses(history: History, until: int) -> Iterator[tuple[int, float, float]]:
    """For every earlier version: how far requests and bytes of a client are above what is allowed (below: negative)."""
    for since, difference in history.differences(until):
        missed = history.numbers[until] - history.numbers[since]
        _, requests, size = history.plan(since, until)
        yield since, requests - (2 * math.log2(missed) + 3), size - (4 * difference + SLACK)


def test_the_history_has_everything(history: History) -> None:
    kinds = {row[0] for row in history.db.conn.execute("SELECT DISTINCT kind FROM changes")}
    assert {"created", "updated", "archived", "deleted", "published", "merged", "absorbed", "renamed"} <= kinds
    assert len(history.heads) == VERSIONS
    assert any(head.snapshot for head in history.heads.values())
    assert any(head.older for head in history.heads.values())


def test_every_version_leads_to_every_later_one_cheaply(history: History) -> None:
    worst_requests = worst_bytes = -math.inf
    for until in sorted(history.heads)[1:][::5]:
        for _, requests, size in excesses(history, until):
            worst_requests, worst_bytes = max(worst_requests, requests), max(worst_bytes, size)
    assert worst_requests <= 0
    assert worst_bytes <= 0


def test_every_version_becomes_the_newest_exactly(history: History) -> None:
    versions = sorted(history.heads)
    for until in (versions[40], versions[333], versions[-1]):
        for since in (one for one in versions if one < until):
            plan, _, _ = history.plan(since, until)
            assert history.followed(plan, history.states[since]) == history.states[until], (since, until)
        plan, _, _ = history.plan(0, until)
        assert history.followed(plan, {}) == history.states[until], f"from nothing to {until}"


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_every_version_becomes_every_later_one_exactly(history: History) -> None:
    """All 499,500 pairs; the test above takes three of the later ones."""
    versions = sorted(history.heads)
    for until in versions[1:]:
        for since in (one for one in versions if one < until):
            plan, _, _ = history.plan(since, until)
            assert history.followed(plan, history.states[since]) == history.states[until], (since, until)


def test_what_is_published_is_what_the_database_says(history: History) -> None:
    told = list(effects.reviews_at(history.db, effects.newest(history.db).number, 0, 10**6))
    for entity in ("product", "editor"):
        told += effects.others_at(history.db, entity, effects.newest(history.db).number, 0, -1)
    assert {(one.entity, one.entity_id): encoded(one) for one in told} == history.states[max(history.heads)]


def test_heads_stay_small(history: History) -> None:
    assert max(map(len, history.signed.values())) < 4_000


def test_a_planted_fault_is_seen(history: History) -> None:
    """The checks can fail: a bundle too few gives another state, and a dear segment too many bytes."""
    until = max(history.heads)
    since = sorted(history.heads)[-40]
    plan, _, _ = history.plan(since, until)
    shorter = protocol.Plan(plan.snapshot, plan.segments[:-1])
    assert history.followed(shorter, history.states[since]) != history.states[until]
    difference = dict(history.differences(until))[since]
    whole = history.plan(0, until)[2]
    assert whole > 4 * difference + SLACK


@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6))
def test_any_history_leads_exactly_to_its_end(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder), seed)
        history.run(70)
        versions = sorted(history.heads)
        for until in versions[1:]:
            for since in (one for one in versions if one < until):
                plan, requests, _ = history.plan(since, until)
                assert requests <= 2 * math.log2(history.numbers[until] - history.numbers[since]) + 3
                if until % 7 == 0:
                    assert history.followed(plan, history.states[since]) == history.states[until]
        history.close()


def test_a_long_history_leads_to_its_end_from_nothing_and_from_anywhere(tmp_path: Path) -> None:
    """Thousands of small changes: older segments are dropped, and the snapshot is blocks away from the newest."""
    history = History(tmp_path, SEED)
    history.publish()

    def edit(tx: Any, low: int, high: int) -> None:
        for number in range(low, high):
            one = history.room.products[number % len(history.room.products)]
            products.update(tx, one.id, model=f"Serie {number}")

    ends = (300, 1_100, 2_000, 2_600, 3_300, 4_900, 5_600, 6_500)
    for low, high in itertools.pairwise((0, *ends)):
        history.room.writer.run(partial(edit, low=low, high=high))
        history.publish()
    reaches = [head.older.since for head in history.heads.values() if head.older is not None]
    assert max(reaches) > 0, "older segments were dropped"
    for until in sorted(history.heads)[1:]:
        plan, _, _ = history.plan(0, until)
        assert history.followed(plan, {}) == history.states[until], f"from nothing to {until}"
        for since in (one for one in history.heads if one < until):
            plan, _, _ = history.plan(since, until)
            assert history.followed(plan, history.states[since]) == history.states[until], (since, until)
    history.close()
