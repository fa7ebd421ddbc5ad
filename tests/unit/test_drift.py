"""Verifying: what is lost, altered or added on a target is named and made good; what is not ours stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from publisher.delivery import caps, drift
from publisher.delivery.caps import Cap
from publisher.delivery.drift import Drift
from publisher.delivery.holdings import Holdings
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher, plan
from publisher.delivery.targets import Folder
from publisher.errors import EmptySiteError, InvalidError, TooManyDeletesError
from tests.newsroom import Memory
from tests.unit.test_delivery import AT, HTML, PAGE


class Site:
    """A pushed site of ten pages, some of them reviews."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.objects, self.target = Ledger(":memory:"), Objects(folder), Memory()
        self.pusher = Pusher(self.ledger, self.objects, self.target, concurrency=1)
        self.seq = 0
        self.keys = [f"reviews/{number}/index.html" for number in range(5)] + [f"page-{number}" for number in range(5)]
        self.write(*self.keys)
        self.pusher.run()

    def write(self, *keys: str, gone: tuple[str, ...] = ()) -> None:
        self.seq += 1
        rows = [Desired(key, "c", self.objects.put(f"{key} in full".encode()), HTML, PAGE, 1) for key in keys]
        self.objects.flush()
        self.ledger.record(rows, gone, seq=self.seq, content_version=1, edition="e", at=AT)

    def distrust(self) -> None:
        """Another publisher had the lease: what can be replaced is doubted."""
        with self.ledger.transaction():
            Holdings(self.ledger.connection, self.target.name).distrusted()

    def look(self, *, quick: bool = False) -> Drift:
        return drift.look(self.ledger, self.objects, self.target, quick=quick)

    def found(self, *, quick: bool = False) -> list[tuple[str, str, str]]:
        return [(one.kind, one.key, one.what) for one in self.look(quick=quick).found]

    def repair(self, *removing: str) -> None:
        drift.correct(self.ledger, self.look(), removing=removing)
        self.pusher.run()

    def close(self) -> None:
        self.pusher.close()
        self.ledger.close()
        self.objects.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site on a target in memory."""
    fresh = Site(tmp_path)
    yield fresh
    fresh.close()


def test_a_site_that_is_as_it_was_put_is_sound(site: Site) -> None:
    told: list[tuple[int, int]] = []
    found = drift.look(site.ledger, site.objects, site.target, on_progress=lambda *far: told.append(far))
    assert (found.found, found.looked_at, found.is_sound) == ((), 10, True)
    assert told[-1] == (10, 10)
    assert site.found(quick=True) == []


def other(body: bytes) -> Callable[[Memory], None]:
    return lambda target: target.bodies.update({"page-1": body})


FAULTS: list[tuple[str, Callable[[Memory], object], tuple[str, str, str], bool]] = [
    ("lost", lambda target: target.delete(["page-1"]), ("missing", "page-1", ""), True),
    ("cut", other(b"page-1 in ful"), ("altered", "page-1", "body"), True),
    ("emptied", other(b""), ("altered", "page-1", "body"), True),
    ("a bit flipped", other(b"page-1 in fulm"), ("altered", "page-1", "body"), False),
    ("another type", lambda target: target.headers.update({"page-1": ("text/plain", PAGE)}),
     ("altered", "page-1", "headers"), False),
    ("another life", lambda target: target.headers.update({"page-1": (HTML, "no-store")}),
     ("altered", "page-1", "headers"), False),
]  # fmt: skip


@pytest.mark.parametrize(("what", "plant", "named", "is_seen_quickly"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_named_and_repaired(
    site: Site, what: str, plant: Callable[[Memory], object], named: tuple[str, str, str], is_seen_quickly: bool
) -> None:
    plant(site.target)
    assert site.found() == [named]
    quick = [(named[0], named[1], "size" if named[2] == "body" else "")]
    assert site.found(quick=True) == (quick if is_seen_quickly else [])
    site.target.puts.clear()
    site.repair()
    assert site.target.puts == ["page-1"]
    assert site.found() == []


def test_what_the_ledger_did_not_put_is_never_removed_unless_it_is_named(site: Site) -> None:
    for key in ("backup.zip", "old/a", "old/b"):
        site.target.put(key, b"theirs", HTML, PAGE)
    site.repair()
    assert site.found() == [("foreign", key, "") for key in ("backup.zip", "old/a", "old/b")]
    site.repair("old/*")
    assert site.target.deletes == ["old/a", "old/b"]
    assert site.found() == [("foreign", "backup.zip", "")]


def test_a_lost_ledger_finds_out_what_is_there_and_puts_nothing_twice(site: Site, tmp_path: Path) -> None:
    site.target.bodies["page-2"] = b"altered"
    site.ledger.close()
    site.ledger = Ledger(":memory:")
    site.pusher.close()
    site.pusher = Pusher(site.ledger, site.objects, site.target)
    site.write(*site.keys[:-1])
    assert {one.kind for one in site.look().found} == {"unrecorded", "foreign"}
    site.target.puts.clear()
    site.repair()
    assert site.target.puts == ["page-2"]
    assert site.found() == [("foreign", "page-4", "")], "it may be ours of old: nobody knows"


def test_a_key_that_waits_for_a_push_is_no_fault(site: Site) -> None:
    site.write("page-9", gone=("page-0",))
    assert site.found() == []


def test_a_folder_keeps_no_headers(site: Site, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "site", name="memory")
    for key, body in site.target.bodies.items():
        folder.put(key, body, HTML, PAGE)
    assert drift.look(site.ledger, site.objects, folder).found == ()
    (tmp_path / "site/page-3").write_bytes(b"x")
    assert [one.key for one in drift.look(site.ledger, site.objects, folder).found] == ["page-3"]


def crowd(site: Site, count: int) -> list[str]:
    keys = [f"reviews/more-{number}/index.html" for number in range(count)]
    site.write(*keys)
    site.pusher.run()
    return keys


def test_too_many_deletes_are_refused_before_anything_is_done(site: Site) -> None:
    keys = crowd(site, 300)
    site.write("new", gone=tuple(keys[: caps.FLOOR + 1]))
    site.target.puts.clear()
    with pytest.raises(TooManyDeletesError, match=r"101 of 310 keys .* --max-deletes 101"):
        site.pusher.run()
    assert (site.target.puts, site.target.deletes) == ([], [])
    assert len(plan(site.ledger, "memory")) == caps.FLOOR + 2, "a dry run still shows them"
    allowed = Pusher(site.ledger, site.objects, site.target, cap=Cap.parse("101"))
    assert allowed.run().deletes == caps.FLOOR + 1
    allowed.close()


def test_a_few_deletes_are_always_allowed(site: Site) -> None:
    keys = crowd(site, 100)
    site.write(gone=tuple(keys))
    assert site.pusher.run().deletes == 100


def test_an_empty_site_is_refused(site: Site) -> None:
    site.write(gone=tuple(site.keys[:5]))
    with pytest.raises(EmptySiteError, match="--allow-empty"):
        site.pusher.run()
    assert site.target.deletes == []
    allowed = Pusher(site.ledger, site.objects, site.target, cap=Cap.parse("10%", allow_empty=True))
    assert allowed.run().deletes == 5
    allowed.close()


@pytest.mark.parametrize(
    ("said", "held", "most"),
    [
        ("25%", 10_000, 2_500),
        ("100%", 5_000, 5_000),
        ("0%", 10_000, caps.FLOOR),
        ("10%", 3, caps.FLOOR),
        ("5", 10_000, 5),
        ("0", 10_000, 0),
    ],
)
def test_a_share_allows_a_few_always_and_a_number_no_more_than_it_says(said: str, held: int, most: int) -> None:
    assert Cap.parse(said).most(held) == most


@pytest.mark.parametrize("said", ["", "-1", "101%", "10 %", "1e3", "%", "many", "9999999999"])
def test_what_is_no_bound_is_told_of_with_examples(said: str) -> None:
    with pytest.raises(InvalidError, match=r"25%.*5000"):
        Cap.parse(said)


def test_what_is_doubted_and_is_as_it_should_be_is_not_put_again(site: Site) -> None:
    site.distrust()
    site.target.bodies["page-1"] = b"theirs"
    site.write(gone=("page-2",))
    assert len(plan(site.ledger, site.target.name)) == 10
    found = {one.key: (one.kind, one.what, one.as_it_should) for one in site.look().found}
    assert found.pop("page-1") == ("unrecorded", "body", False)
    assert found.pop("page-2") == ("altered", "body", False)
    assert set(found.values()) == {("unrecorded", "", True)}
    site.target.puts.clear()
    site.repair()
    assert (site.target.puts, site.target.deletes) == (["page-1"], ["page-2"])
    assert site.look().is_sound
