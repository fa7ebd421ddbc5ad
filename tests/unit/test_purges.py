"""Debts to a CDN: recorded with the receipt of a PUT, settled once, never forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from publisher.delivery import purges
from publisher.delivery.cdn import Limits, address, tag
from publisher.delivery.ledger import Desired, Held, Ledger
from publisher.delivery.purges import Debt
from publisher.delivery.purging import Purger
from publisher.errors import DeliveryError, PurgeError
from tests.newsroom import START


class Counting:
    """A CDN that notes what it is asked; it needs time when `slow`, and refuses while `busy`."""

    name = "counting"

    def __init__(self, limits: Limits, *, slow: bool = False) -> None:
        self.limits, self.slow, self.busy = limits, slow, False
        self.calls: list[tuple[str, ...]] = []
        self.references: list[str] = []
        self.finished: set[str] = set()
        self.unknown: set[str] = set()

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        return self._call(tuple(addresses), reference)

    def purge_all(self, reference: str) -> str:
        return self._call(("*",), reference)

    def done(self, ticket: str) -> bool | None:
        return None if ticket in self.unknown else ticket in self.finished

    def check(self) -> str:
        return ""

    def _call(self, addresses: tuple[str, ...], reference: str) -> str:
        self.references.append(reference)
        if self.busy:
            raise PurgeError("busy", 7.0)
        self.calls.append(addresses)
        return f"ticket-{len(self.calls)}" if self.slow else ""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    held = Ledger(tmp_path / "ledger.db")
    yield held
    held.close()


def desired(key: str, body: str = "b1", tier: int = 1) -> Desired:
    return Desired(key, "c", body, "text/html", "max-age=1", tier)


def put(ledger: Ledger, *rows: Desired) -> None:
    held = [Held(row.key, row.body, row.content_type, row.cache_control, row.tier) for row in rows]
    ledger.settle("t", held, (), (), purging="each")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        *(("index.html", "/"), ("reviews/a/index.html", "/reviews/a/"), ("content/index.json", "/content")),
        *(("feed.xml", "/feed.xml"), ("404.html", "/404.html"), ("xindex.html", "/xindex.html")),
        ("tags/ñ/index.html", "/tags/%C3%B1/"),
    ],
)
def test_the_address_of_a_key(key: str, expected: str) -> None:
    assert address(key) == expected


def test_tags_differ_and_fit_every_cdn() -> None:
    tags = {tag(f"/reviews/{number}/") for number in range(2000)}
    assert len(tags) == 2000
    assert all(len(one) == 16 and one.isascii() for one in tags)


def test_puts_and_deletes_are_owed_but_not_what_never_changes(ledger: Ledger) -> None:
    put(ledger, desired("index.html"), desired("assets/x.css", tier=0))
    ledger.settle("t", (), ["reviews/a/index.html", "assets/old.css"], (), purging="each")
    owed = ledger.purges("t", Counting(Limits(batch=9))).owed()
    assert [debt.address for debt in owed] == ["/", "/reviews/a/", "/assets/old.css"]


def test_without_a_cdn_nothing_is_owed(ledger: Ledger) -> None:
    ledger.settle("t", [Held("index.html", "b", "t", "c", 1)], ["a.html"], ())
    assert ledger.purges("t", Counting(Limits(batch=9))).owed() == []


def test_debts_are_settled_in_batches_and_once(ledger: Ledger) -> None:
    put(ledger, *(desired(f"{name}/index.html") for name in "abcde"))
    cdn = Counting(Limits(batch=2))
    assert ledger.purges("t", cdn).settle() == []
    assert cdn.calls == [("/a/", "/b/"), ("/c/", "/d/"), ("/e/",)]
    assert ledger.purges("t", cdn).settle() == []
    assert len(cdn.calls) == 3


def test_more_than_are_worth_naming_are_purged_as_a_whole(ledger: Ledger) -> None:
    put(ledger, *(desired(f"{name}/index.html") for name in "abcde"))
    cdn = Counting(Limits(batch=2, whole_above=4))
    assert ledger.purges("t", cdn).settle() == []
    assert cdn.calls == [("*",)]


@pytest.mark.parametrize(("whole_above", "calls"), [(4, [("*",)]), (0, [])])
def test_a_whole_site_that_is_owed_is_one_call_or_none(
    ledger: Ledger, whole_above: int, calls: list[tuple[str, ...]]
) -> None:
    for name in "ab":
        ledger.settle("t", [Held(f"{name}/index.html", "b", "t", "c", 1)], (), (), purging="whole")
    cdn = Counting(Limits(batch=2, whole_above=whole_above))
    assert [debt.address for debt in ledger.purges("t", cdn).owed()] == [purges.EVERYTHING]
    assert ledger.purges("t", cdn).settle() == []
    assert cdn.calls == calls


def test_addresses_are_purged_beside_a_whole_that_the_cdn_has_no_call_for(ledger: Ledger) -> None:
    ledger.settle("t", [Held("a/index.html", "b", "t", "c", 1)], (), (), purging="whole")
    put(ledger, desired("b/index.html"))
    cdn = Counting(Limits(batch=2))
    assert ledger.purges("t", cdn).settle() == []
    assert cdn.calls == [("/b/",)]


def test_a_refused_purge_stays_owed_and_is_asked_for_with_the_same_reference(ledger: Ledger) -> None:
    put(ledger, desired("a/index.html"))
    cdn = Counting(Limits(batch=2))
    cdn.busy = True
    for _ in range(2):
        with pytest.raises(PurgeError):
            ledger.purges("t", cdn).settle()
    cdn.busy = False
    assert ledger.purges("t", cdn).settle() == []
    assert len(set(cdn.references)) == 1


def test_a_purge_that_takes_time_is_owed_until_it_is_done_and_not_asked_for_again(ledger: Ledger) -> None:
    put(ledger, desired("a/index.html"), desired("b/index.html"))
    cdn = Counting(Limits(batch=9), slow=True)
    purging = ledger.purges("t", cdn)
    assert (len(purging.settle()), len(purging.settle())) == (2, 2)
    assert cdn.calls == [("/a/", "/b/")]
    cdn.finished.add("ticket-1")
    assert purging.settle() == []


def test_a_purge_that_the_cdn_knows_nothing_of_is_asked_for_anew_and_holds_up_no_other(ledger: Ledger) -> None:
    """As after another distribution was set."""
    put(ledger, desired("index.html"))
    cdn = Counting(Limits(batch=10), slow=True)
    owed = ledger.purges("t", cdn)
    owed.settle()
    put(ledger, desired("feed.xml"))
    cdn.unknown.add("ticket-1")
    assert [debt.ticket for debt in owed.settle()] == ["ticket-2"] * 2
    assert cdn.calls == [("/",), ("/", "/feed.xml")]
    cdn.finished.add("ticket-2")
    assert owed.settle() == []


def test_a_key_that_changes_while_it_is_being_purged_owes_anew(ledger: Ledger) -> None:
    put(ledger, desired("a/index.html"), desired("b/index.html"))
    cdn = Counting(Limits(batch=9), slow=True)
    purging = ledger.purges("t", cdn)
    purging.settle()
    put(ledger, desired("a/index.html", "b2"))
    cdn.finished.add("ticket-1")
    assert [debt.address for debt in purging.settle()] == ["/a/"]
    assert cdn.calls == [("/a/", "/b/"), ("/a/",)]


def test_a_receipt_that_is_not_recorded_leaves_no_debt(ledger: Ledger) -> None:
    class CutError(Exception):
        pass

    def cut() -> Iterator[str]:
        yield "a/index.html"
        raise CutError

    with pytest.raises(CutError):
        ledger.settle("t", (), cut(), (), purging="each")
    assert ledger.purges("t", Counting(Limits(batch=9))).owed() == []


def test_orders_of_other_debts_have_other_references() -> None:
    limits = Limits(batch=1)
    first, second = purges.orders([Debt(1, "/a/"), Debt(2, "/b/")], limits)
    assert first.reference != second.reference
    assert first.reference == purges.orders([Debt(1, "/a/")], limits)[0].reference


def test_a_ledger_that_refuses_leaves_the_debt_and_is_asked_again(ledger: Ledger) -> None:
    """As on a full disk, SQLite itself ends the transaction."""
    put(ledger, desired("index.html"))
    debts = ledger.purges("t", Counting(Limits(batch=9)))
    refuse = "CREATE TRIGGER full BEFORE DELETE ON purges BEGIN SELECT RAISE(ROLLBACK, 'planted'); END"
    ledger.connection.execute(refuse)
    with pytest.raises(DeliveryError, match="planted"):
        debts.settle()
    assert [debt.address for debt in debts.owed()] == ["/"]
    ledger.connection.execute("DROP TRIGGER full")
    assert debts.settle() == []


@pytest.mark.parametrize("trouble", [ValueError("planted"), PurgeError("planted", 0.01)])
def test_a_purger_goes_on_whatever_its_cdn_raises(
    ledger: Ledger, tmp_path: Path, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    put(ledger, desired("index.html"))
    refusals, done = [trouble], threading.Event()

    class Breaking(Counting):
        def purge(self, addresses: Sequence[str], reference: str) -> str:
            if refusals:
                raise refusals.pop()
            done.set()
            return super().purge(addresses, reference)

    purger = Purger("t", Breaking(Limits(batch=9)), tmp_path / "ledger.db", clock=lambda: START, poll=0.01)
    purger.expect(1)
    try:
        assert done.wait(30), "nobody purges any more"
    finally:
        purger.close()
    assert purges.waiting(ledger.connection, "t") == 0
    assert ("planted" in caplog.text) == isinstance(trouble, ValueError)
