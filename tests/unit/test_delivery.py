"""Delivery without a network: differences and their order, the ledger, the object store, pushes that fail half-way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery import diff
from publisher.delivery.diff import Wave
from publisher.delivery.ledger import Desired, Held, Ledger
from publisher.delivery.objects import LARGE, LONG, MUCH, Objects
from publisher.delivery.push import Pusher, plan
from publisher.errors import BuildError, DamagedObjectError, DeliveryError, TargetError
from tests.newsroom import Memory

AT = datetime(2026, 1, 2, tzinfo=UTC)
HTML, PAGE = "text/html; charset=utf-8", "public, max-age=30"


def desired(key: str, body: str = "b1", tier: int = 1, cache: str = PAGE) -> Desired:
    return Desired(key, "context", body, HTML, cache, tier)


def held(key: str, body: str = "b1", tier: int = 1, cache: str = PAGE) -> Held:
    return Held(key, body, HTML, cache, tier, "etag")


@pytest.mark.parametrize(
    ("wanted", "there", "reason", "wave"),
    [
        (desired("k"), None, "new", Wave.new_leaf),
        (desired("k", tier=2), None, "new", Wave.new_listing),
        (desired("k", "b2"), held("k"), "body", Wave.leaf),
        (desired("k", "b2", tier=2), held("k", tier=2), "body", Wave.listing),
        (desired("k", cache="no-store"), held("k"), "headers", Wave.leaf),
        (desired("k", tier=3), None, "new", Wave.pointer),
        (desired("k", tier=0), None, "new", Wave.immutable),
        (None, held("k"), "gone", Wave.delete),
        (None, None, "same", Wave.nothing),
        (desired("k"), held("k"), "same", Wave.nothing),
    ],
)
def test_every_step_has_its_reason_and_its_wave(
    wanted: Desired | None, there: Held | None, reason: str, wave: Wave
) -> None:
    (step,) = diff.delta([("k", wanted, there)])
    assert (step.reason, step.wave) == (reason, wave)


def test_what_is_named_goes_before_what_names_it_and_deletes_go_last() -> None:
    owed = [
        ("head", desired("head", tier=3), None),
        ("bundle", desired("bundle", tier=4), None),
        ("map", desired("map", "b2", tier=5), held("map", tier=5)),
        ("gone", None, held("gone")),
        ("old-list", desired("old-list", "b2", tier=2), held("old-list", tier=2)),
        ("new-page", desired("new-page"), None),
        ("old-page", desired("old-page", "b2"), held("old-page")),
        ("new-tag", desired("new-tag", tier=2), None),
        ("asset", desired("asset", tier=0), None),
    ]
    random.shuffle(owed)
    assert [step.key for step in diff.delta(owed)] == [
        "asset", "new-page", "new-tag", "old-page", "old-list", "map", "bundle", "head", "gone",
    ]  # fmt: skip


def test_waves_are_cut_where_the_order_matters() -> None:
    steps = diff.delta([(key, desired(key, tier=tier), None) for key, tier in (("a", 1), ("b", 1), ("c", 2))])
    assert [[step.key for step in wave] for wave in diff.waves(steps)] == [["a", "b"], ["c"]]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A ledger in memory that knows one target."""
    fresh = Ledger(":memory:")
    fresh.register("memory")
    yield fresh
    fresh.close()


def record(ledger: Ledger, *written: Desired, gone: tuple[str, ...] = (), seq: int = 1) -> bool:
    return ledger.record(written, gone, seq=seq, content_version=seq, edition="e", at=AT) is not None


def test_a_build_is_recorded_queued_and_remembered_at_once(ledger: Ledger) -> None:
    assert record(ledger, desired("a"), desired("b"), seq=7)
    assert (ledger.cursor(), ledger.edition(), ledger.waiting("memory")) == (7, "e", 2)
    release = ledger.release()
    assert release is not None
    assert (release.seq, release.written, release.removed) == (7, 2, 0)


def test_the_same_bytes_again_are_no_release_and_owe_nothing(ledger: Ledger) -> None:
    record(ledger, desired("a"))
    ledger.settle("memory", [held("a")], (), ())
    assert not record(ledger, Desired("a", "another context", "b1", HTML, PAGE, 1), seq=2)
    assert (ledger.waiting("memory"), ledger.cursor()) == (0, 2)


def test_a_refused_record_leaves_everything_as_it_was(ledger: Ledger) -> None:
    record(ledger, desired("a"))

    def rows() -> Iterator[Desired]:
        yield desired("b")
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError):
        ledger.record(rows(), (), seq=9, content_version=9, edition="f", at=AT)
    assert [row.key for row in ledger.desired()] == ["a"]
    assert (ledger.cursor(), ledger.edition()) == (1, "e")


def test_what_was_staged_is_stored_by_the_record_and_what_was_not_is_known(ledger: Ledger) -> None:
    record(ledger, desired("a"), desired("b"), desired("c"))
    ledger.settle("memory", [held("a"), held("b"), held("c")], (), ())
    with ledger.staging():
        ledger.stage([desired("a", "b2"), desired("new")], same=["b"])
        assert [row.key for row in ledger.desired()] == ["a", "b", "c"], "nothing is stored yet"
        assert ledger.unstaged() == ["c"]
        assert record(ledger, gone=("c",), seq=2)
        assert ledger.unstaged() == ["a", "b", "new"], "a record leaves nothing staged"
    assert [(row.key, row.body) for row in ledger.desired()] == [("a", "b2"), ("b", "b1"), ("new", "b1")]
    assert {step.key: step.reason for step in plan(ledger, "memory")} == {"new": "new", "a": "body", "c": "gone"}
    release = ledger.release()
    assert release is not None
    assert (release.written, release.removed) == (2, 1)


def test_what_was_staged_is_forgotten_when_the_build_fails(ledger: Ledger) -> None:
    with suppress(RuntimeError), ledger.staging():
        ledger.stage([desired("a")])
        raise RuntimeError("planted")
    assert record(ledger, desired("b"))
    assert [row.key for row in ledger.desired()] == ["b"]


def test_the_ledger_is_open_to_others_while_rows_are_staged(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    with ledger.staging():
        ledger.stage([desired("a")])
        other.connection.execute("PRAGMA busy_timeout = 0")
        assert record(other, desired("b")), "no lock is held"
        assert record(ledger, seq=2)
    assert [row.key for row in other.desired()] == ["a", "b"]
    for one in (ledger, other):
        one.close()


def test_a_key_that_changed_while_it_was_put_is_owed_again(ledger: Ledger) -> None:
    record(ledger, desired("a", "b1"))
    record(ledger, desired("a", "b2"), seq=2)
    ledger.settle("memory", [held("a", "b1")], (), ())
    assert ledger.waiting("memory") == 1
    ledger.settle("memory", [held("a", "b2")], (), ())
    assert ledger.waiting("memory") == 0


def test_a_key_that_came_back_while_it_was_deleted_is_owed_again(ledger: Ledger) -> None:
    record(ledger, desired("a"))
    ledger.settle("memory", [held("a")], (), ())
    record(ledger, gone=("a",), seq=2)
    record(ledger, desired("a"), seq=3)
    ledger.settle("memory", (), ["a"], ())
    (step,) = plan(ledger, "memory")
    assert (step.key, step.reason) == ("a", "new")


def test_a_new_target_is_owed_the_whole_site(ledger: Ledger) -> None:
    record(ledger, desired("a"), desired("b", tier=2))
    ledger.register("second")
    ledger.register("second")
    assert ledger.waiting("second") == 2


def test_a_target_that_moved_is_owed_the_whole_site_again(ledger: Ledger) -> None:
    record(ledger, desired("a"))
    ledger.register("eu", "host/bucket/")
    ledger.settle("eu", [held("a")], (), ())
    ledger.delivered("eu", 1, AT, 1, 0)
    ledger.register("eu", "host/bucket/")
    ledger.register("eu")
    assert (ledger.waiting("eu"), ledger.delivered_release("eu")) == (0, 1)
    ledger.register("eu", "host/bucket/site/")
    assert (ledger.waiting("eu"), ledger.delivered_release("eu")) == (1, 0)
    (step,) = plan(ledger, "eu")
    assert step.reason == "new"


def test_a_target_from_before_places_were_noted_is_where_it_was(ledger: Ledger) -> None:
    record(ledger, desired("a"))
    ledger.settle("memory", [held("a")], (), ())
    ledger.register("memory", "host/bucket/")
    assert ledger.waiting("memory") == 0


def test_immutable_objects_stay_when_nothing_names_them_any_more(ledger: Ledger) -> None:
    record(ledger, desired("assets/style.1.css", tier=0))
    ledger.settle("memory", [held("assets/style.1.css", tier=0)], (), ())
    record(ledger, desired("assets/style.2.css", tier=0), gone=("assets/style.1.css",), seq=2)
    assert [(step.key, step.reason) for step in plan(ledger, "memory")] == [("assets/style.2.css", "new")]


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    """An empty build store."""
    fresh = Objects(tmp_path)
    yield fresh
    fresh.close()


def test_an_object_is_stored_once_and_read_back(objects: Objects, tmp_path: Path) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    assert objects.put(b"uno") == digest
    objects.flush()
    assert objects.get(digest) == b"uno"
    again = Objects(tmp_path)
    assert again.get(digest) == b"uno"
    again.close()


def test_much_does_not_wait_in_memory(objects: Objects, tmp_path: Path) -> None:
    digests = [objects.put(bytes([number]) * 1_000_000) for number in range(MUCH // 1_000_000 + 1)]
    with sqlite3.connect(tmp_path / "objects.db") as other:
        assert other.execute("SELECT count(*) FROM objects").fetchone()[0] == len(digests), "written without a flush"
    other.close()


def test_a_large_object_is_stored_whole_and_once(objects: Objects, tmp_path: Path) -> None:
    body = bytearray(random.Random(1).randbytes(2 * LARGE + 1))
    digest = objects.put(body)
    assert objects.get(digest) == body, "before it is written"
    objects.flush()
    other = Objects(tmp_path)
    assert other.put(bytes(body)) == digest
    other.flush()
    assert objects.get(digest) == body
    assert objects.size() == len(body)
    other.close()


def test_a_store_that_was_filled_in_a_hurry_is_like_others(objects: Objects, tmp_path: Path) -> None:
    for body in (b"uno", b"dos"):  # empty at first, then not
        with objects.hurrying():
            digests = [objects.put(body)]
            objects.flush()
            other = Objects(tmp_path, beside=True)
            digests.append(other.put(body + b" beside"))
            other.flush()
            other.close()
        assert [objects.get(digest) for digest in digests] == [body, body + b" beside"]
        with sqlite3.connect(tmp_path / "objects.db") as reader:
            assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        reader.close()


def test_a_store_that_others_read_is_filled_all_the_same(objects: Objects, tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "objects.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM objects").fetchone()[0] == 0
    with objects.hurrying():
        digest = objects.put(b"uno")
        objects.flush()
    assert objects.get(digest) == b"uno"
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM objects").fetchone()[0] == 1
    assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    reader.close()


@pytest.mark.parametrize("damage", [b"", b"un", b"dos", b"unoo", None])
def test_a_damaged_object_is_never_returned(objects: Objects, tmp_path: Path, damage: bytes | None) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    other = sqlite3.connect(tmp_path / "objects.db")
    if damage is None:
        other.execute("DELETE FROM objects")
    else:
        other.execute("UPDATE objects SET body = ?", (damage,))
    other.commit()
    other.close()
    with pytest.raises(DamagedObjectError):
        objects.get(digest)
    objects.discard(digest)
    assert objects.put(b"uno") == digest
    objects.flush()
    assert objects.get(digest) == b"uno"


def test_a_store_that_is_no_database_any_more_begins_anew(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    digest = objects.put(b"uno")
    objects.flush()
    for path in tmp_path.glob("objects.db*"):
        path.write_bytes(b"rubble" * 5000)
    with pytest.raises(DamagedObjectError):
        objects.get(digest)
    objects.discard(digest)
    objects.put(b"uno")
    objects.flush()
    assert objects.get(digest) == b"uno"
    objects.close()


def test_a_full_disk_is_a_build_error_and_loses_nothing(objects: Objects) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    objects._connection.execute("PRAGMA max_page_count = 3")
    objects.put(b"x" * 100_000)
    with pytest.raises(BuildError):
        objects.flush()
    assert objects.get(digest) == b"uno"


def stocked(ledger: Ledger, objects: Objects, count: int) -> list[str]:
    keys = [f"page-{number}" for number in range(count)]
    record(ledger, *(desired(key, objects.put(key.encode())) for key in keys))
    return keys


def test_a_push_that_failed_goes_on_where_it_stopped(ledger: Ledger, objects: Objects) -> None:
    target = Memory()
    keys = stocked(ledger, objects, 20)
    record(ledger, desired("list", objects.put(b"list"), tier=2), seq=2)
    pusher = Pusher(ledger, objects, target, concurrency=4)
    target.broken = {"page-3", "page-7"}
    with pytest.raises(TargetError):
        pusher.run()
    assert "list" not in target.bodies, "a wave begins when the one before it is confirmed"
    assert ledger.waiting("memory") == 3
    assert pusher.run().puts == 3
    assert sorted(target.puts) == sorted([*keys, "list"]), "nothing was put twice"
    assert pusher.run().puts == 0
    pusher.close()


def test_a_damaged_body_stops_the_push_before_anything_names_it(ledger: Ledger, objects: Objects) -> None:
    target = Memory()
    body = objects.put(b"page")
    record(ledger, desired("page", body), desired("list", objects.put(b"list"), tier=2))
    objects.flush()
    objects.discard(body)
    pusher = Pusher(ledger, objects, target)
    with pytest.raises(DamagedObjectError):
        pusher.run()
    assert target.bodies == {}
    ledger.invalidate([body])
    assert ledger.contexts(["page"]) == {"page": ""}
    pusher.close()


def test_progress_is_told_to_the_end(ledger: Ledger, objects: Objects) -> None:
    stocked(ledger, objects, 5)
    told: list[tuple[int, int]] = []
    pusher = Pusher(ledger, objects, Memory())
    pusher.run(lambda done, total: told.append((done, total)))
    pusher.close()
    assert told[-1] == (5, 5)


def test_at_rest_what_was_written_goes_from_the_log_into_the_database(tmp_path: Path) -> None:
    objects, chance = Objects(tmp_path), random.Random(1)

    def size() -> int:
        return (tmp_path / "objects.db").stat().st_size

    few = objects.put(b"a body")
    objects.flush()
    before = size()
    objects.rest()
    assert size() == before, "a little is not worth waiting for the disk"
    much = [objects.put(chance.randbytes(LONG // 8)) for _ in range(10)]
    objects.flush()
    assert size() == before, "nothing was carried over amid the build"
    objects.rest()
    assert size() > LONG
    assert [len(objects.get(digest)) for digest in (few, *much)] == [6, *[LONG // 8] * 10]
    objects.close()


def test_what_cannot_be_staged_leaves_the_ledger_in_use(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    refuse = "CREATE TEMP TRIGGER full BEFORE INSERT ON staged BEGIN SELECT RAISE(ABORT, 'planted'); END"
    ledger.connection.execute(refuse)
    with pytest.raises(DeliveryError, match="planted"), ledger.staging():
        ledger.stage([desired("page")])
    ledger.connection.execute("DROP TRIGGER full")
    assert ledger.record([desired("page")], (), seq=1, content_version=1, edition="e", at=AT) is not None
    ledger.close()
