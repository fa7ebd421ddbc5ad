"""Promises: what a publisher sent and died over before it had the receipt is never taken for what was there before."""

from __future__ import annotations

import pytest

from publisher.delivery import caps
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.site.artifact import Tier
from tests.newsroom import Memory
from tests.unit.test_delivery import desired, record
from tests.unit.test_delivery import ledger as ledger
from tests.unit.test_delivery import objects as objects


class Dying(Memory):
    """A target that does what it is asked, and whose publisher dies before it can note that."""

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        super().put(key, body, content_type, cache_control)
        raise KeyboardInterrupt

    def delete(self, keys: object) -> None:
        super().delete(keys)  # type: ignore[arg-type]
        raise KeyboardInterrupt


def died(ledger: Ledger, objects: Objects, target: Memory) -> None:
    dying = Dying()
    dying.bodies, dying.headers = target.bodies, target.headers
    pusher = Pusher(ledger, objects, dying, concurrency=1, cap=caps.UNLIMITED)
    with pytest.raises(KeyboardInterrupt):
        pusher.run()
    pusher.close()


def converged(ledger: Ledger, objects: Objects, target: Memory) -> bool:
    pusher = Pusher(ledger, objects, target, concurrency=1, cap=caps.UNLIMITED)
    pusher.run()
    is_still = pusher.run().puts == 0
    pusher.close()
    return is_still and target.bodies == {row.key: objects.get(row.body) for row in ledger.desired()}


def test_a_page_that_was_put_and_taken_back_before_its_receipt_goes(ledger: Ledger, objects: Objects) -> None:
    target = Memory()
    record(ledger, desired("k", objects.put(b"1")))
    died(ledger, objects, target)
    assert target.bodies == {"k": b"1"}
    record(ledger, gone=("k",), seq=2)
    assert converged(ledger, objects, target)
    assert target.bodies == {}


def test_a_change_that_was_put_and_undone_before_its_receipt_is_undone(ledger: Ledger, objects: Objects) -> None:
    target = Memory()
    record(ledger, desired("k", objects.put(b"1")))
    assert converged(ledger, objects, target)
    record(ledger, desired("k", objects.put(b"2")), seq=2)
    died(ledger, objects, target)
    assert target.bodies == {"k": b"2"}
    record(ledger, desired("k", objects.put(b"1")), seq=3)
    assert converged(ledger, objects, target)
    assert target.bodies == {"k": b"1"}


def test_a_bundle_that_came_back_and_went_again_stays_for_its_readers(ledger: Ledger, objects: Objects) -> None:
    target, bundle = Memory(), desired("content/sync/v1/a.json", objects.put(b"a"), tier=int(Tier.bundle))
    record(ledger, bundle)
    assert converged(ledger, objects, target)
    record(ledger, gone=(bundle.key,), seq=2)
    record(ledger, bundle, seq=3)
    record(ledger, gone=(bundle.key,), seq=4)
    pusher = Pusher(ledger, objects, target, concurrency=1, cap=caps.UNLIMITED)
    pusher.run()
    pusher.close()
    assert target.bodies == {bundle.key: b"a"}


def test_a_delete_that_was_done_and_undone_before_its_receipt_is_undone(ledger: Ledger, objects: Objects) -> None:
    target = Memory()
    record(ledger, desired("k", objects.put(b"1")))
    assert converged(ledger, objects, target)
    record(ledger, gone=("k",), seq=2)
    died(ledger, objects, target)
    assert target.bodies == {}
    record(ledger, desired("k", objects.put(b"1")), seq=3)
    assert converged(ledger, objects, target)
