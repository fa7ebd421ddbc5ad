"""The courier: a thread of the worker that finds what there is to tell, and delivers what waits.

It never holds the worker up: it reads receipts and the queue from the databases, and is told only that it may look. One
webhook has one delivery under way at a time, so that a slow receiver delays nobody but itself. Whatever fails, foreseen
or not, is tried again with growing patience, and the others go on.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from publisher.content import deliveries, endpoints, webhooks
from publisher.content.database import SqliteError, connect
from publisher.content.deliveries import Attempt, Delivery, Event
from publisher.content.webhooks import Webhook
from publisher.content.writer import Writer
from publisher.delivery.lane import patience
from publisher.delivery.receipts import Receipts
from publisher.errors import InvalidError, PublisherError
from publisher.logs import fields
from publisher.webhooks import news, signing
from publisher.webhooks.sending import GONE, Outcome, Sender

AT_ONCE = 8
"""Deliveries under way at a time, to different webhooks."""
LOOK_SECONDS = 1.0
JITTER = (0.85, 1.15)
AGENT = "RandomCameraReviews-Webhooks/1"
UNFORESEEN = "it could not be sent for a reason that nobody foresaw; the log of the worker has it"

logger = logging.getLogger("publisher.webhooks")


class Courier:
    """Works from `start` to `close`; `turn` is one look, and says how many deliveries it began."""

    def __init__(
        self,
        content_db: Path | str,
        ledger_db: Path | str,
        site_url: str,
        *,
        clock: Callable[[], datetime],
        allowed: Collection[str] = (),
        sender: Sender | None = None,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        """`count` is told of each attempt: `delivered` or `failed`."""
        self._db = connect(content_db, readonly=True)
        self._receipts = Receipts(ledger_db)
        self._writer = Writer(content_db, clock=clock)
        self._site_url, self._clock, self._allowed, self._count = site_url.rstrip("/"), clock, allowed, count
        self._sender = sender or Sender()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._busy: dict[str, Future[None]] = {}
        self._unnoted: dict[str, tuple[int, float]] = {}  # by webhook: failures in a row, and until when it has to wait
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, now and whenever nudged, and every second."""
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """There may be something to do. Returns at once."""
        self._wake.set()

    def close(self) -> None:
        """Break off what is under way, which stays waiting for the next start, and let everything go."""
        self._stopping.set()
        self._wake.set()
        self._sender.stop()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._writer.close()
        self._receipts.close()
        self._db.close()

    def turn(self) -> int:
        """Store what there is to tell, and begin to deliver what is due."""
        at = self._clock()
        listening = any(webhook.enabled for webhook in webhooks.listed(self._db))
        if listening:
            found = news.gather(self._db, self._receipts, at)
            if found.is_any:
                self._writer.run(partial(news.tell, news=found, site_url=self._site_url))
            if len(found.completed) == news.AT_ONCE:
                self.nudge()
        self._busy = {webhook_id: future for webhook_id, future in self._busy.items() if not future.done()}
        resting = {webhook_id for webhook_id, (_, until) in self._unnoted.items() if time.monotonic() < until}
        due = deliveries.due(self._db, self._clock(), resting | self._busy.keys()) if listening else []
        for webhook, delivery, event in due:
            self._busy[webhook.id] = self._pool.submit(self._deliver, webhook, delivery, event)
        return len(due)

    def settle(self) -> None:
        """Wait for the deliveries that are under way."""
        wait(self._busy.values())

    def _work(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self.turn()
                failures = 0
            except (PublisherError, SqliteError) as error:
                logger.warning("webhooks have to wait: %s", error)
                failures += 1
            except Exception:  # whatever it is, webhooks go on
                logger.exception("webhooks have to wait, for a reason that nobody foresaw")
                failures += 1
            if failures:
                self._stopping.wait(patience(failures))
                continue
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()

    def _deliver(self, webhook: Webhook, delivery: Delivery, event: Event) -> None:
        """One attempt, and what came of it. It is made again soon where that cannot be noted, but not at once."""
        try:
            self._tell(webhook, delivery, event)
        except PublisherError as error:
            logger.warning("what came of a delivery cannot be noted: %s", error, extra=fields(webhook=webhook.id))
            self._put_off(webhook)
        except Exception:
            logger.exception("a delivery ended unforeseen", extra=fields(webhook=webhook.id))
            self._put_off(webhook)
        else:
            self._unnoted.pop(webhook.id, None)
        self.nudge()

    def _put_off(self, webhook: Webhook) -> None:
        failures = self._unnoted.get(webhook.id, (0, 0.0))[0] + 1
        self._unnoted[webhook.id] = failures, time.monotonic() + patience(failures)

    def _tell(self, webhook: Webhook, delivery: Delivery, event: Event) -> None:
        """One attempt, noted. A webhook is known to the log by its id, for its URL may hold a secret."""
        about: dict[str, Any] = {"webhook": webhook.id, "delivery": delivery.id, "event": event.id}
        outcome = self._attempt(webhook, event, about)
        if self._stopping.is_set() and not outcome.is_delivered:
            return
        attempt = Attempt(
            status=outcome.status, reason=outcome.reason, ms=round(outcome.seconds * 1000),
            retry_after=outcome.retry_after, gone=outcome.status == GONE,
        )  # fmt: skip
        self._count("delivered" if outcome.is_delivered else "failed")
        about |= {"status": outcome.status}
        if outcome.is_delivered:
            logger.info("%s delivered", event.kind, extra=fields(**about, ms=attempt.ms))
        else:
            logger.warning("%s not delivered: %s", event.kind, outcome.reason, extra=fields(**about))
        self._writer.run(
            partial(
                deliveries.tried, webhook_id=webhook.id, delivery_id=delivery.id, attempt=attempt,
                jitter=random.uniform(*JITTER),
            )
        )  # fmt: skip

    def _attempt(self, webhook: Webhook, event: Event, about: dict[str, Any]) -> Outcome:
        """What came of sending it. What nobody foresaw is a failure as any other, and is tried again as late."""
        try:
            at, body = self._clock(), event.body.encode()
            endpoint = endpoints.parse(webhook.url, self._allowed)
            headers = signing.headers(event.id, int(at.timestamp()), body, webhook.secrets(at))
            headers |= {"Content-Type": "application/json", "User-Agent": AGENT}
            return self._sender.send(endpoint, headers, body)
        except InvalidError as error:  # the operator trusts its host no more
            return Outcome(reason=error.reason)
        except Exception:
            logger.exception("a delivery broke off unforeseen", extra=fields(**about))
            return Outcome(reason=UNFORESEEN)
