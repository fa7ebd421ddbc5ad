"""Traces by OpenTelemetry, for who wants them: a request that wrote, and what became of it until readers had it.

Nothing is measured for them: the API knows how long a request took, and receipts know when its change was rendered,
uploaded, purged and seen. The ids of traces and spans are made from the request's id, so two processes that never speak
of it make one trace. A request whose `X-Request-Id` is 32 hex digits is in that trace of its caller's.

Off as long as no endpoint is set: nothing is imported, and nobody is asked. `pip install
'randomcamerareviews-publisher[otel]'` brings what it needs. Source of the model:
https://opentelemetry.io/docs/specs/otel/trace/api/.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from publisher.content import log
from publisher.content.database import Database, SqliteError
from publisher.delivery.receipts import Leg, Receipt, Receipts
from publisher.errors import PublisherError, SettingsError

LOOKED_BACK = 50
"""Publishes that are looked at in one turn; of more that ended at once, the oldest are not told."""
NAMED = 100
"""Requests of one publish that have a trace: an import is one request, so it is seldom more."""
LOOKED_AT = 10_000
SEND_SECONDS = 3
"""How long one batch may take to be sent, tries included: what a dead collector costs at the end."""
logger = logging.getLogger("publisher.tracing")
_TRACE = re.compile(r"[0-9a-f]{32}")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Something that took from `start` to `end`, in the trace of a request; `parent` is 0 at the top."""

    trace: int
    id: int
    parent: int
    name: str
    start: datetime
    end: datetime
    about: Mapping[str, str | int] = {}
    failed: bool = False


class Sink(Protocol):
    """Where spans go. Neither call waits for anybody but `close`, which sends what is left."""

    def add(self, spans: Iterable[Span]) -> None:
        """Have these sent."""

    def close(self) -> None:
        """Send what is left, within seconds."""


def trace_of(request_id: str) -> int:
    """The trace of a request: its id if that is one (and not all zeros), else one made from it."""
    if _TRACE.fullmatch(request_id) and int(request_id, 16):
        return int(request_id, 16)
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:16]) or 1


def _id(request_id: str, *names: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join((request_id, *names)).encode()).digest()[:8]) or 1


def of_request(request_id: str, method: str, route: str, status: int, *, ended: datetime, seconds: float) -> Span:
    """A request that the API answered."""
    return Span(
        trace=trace_of(request_id), id=_id(request_id, "request"), parent=0, name=f"{method} {route}",
        start=ended - timedelta(seconds=seconds), end=ended, failed=status >= 500,
        about={"http.request.method": method, "http.route": route, "http.response.status_code": status,
               "request.id": request_id},
    )  # fmt: skip


def of_publish(receipt: Receipt, requests: Mapping[str, datetime]) -> list[Span]:
    """What became of each request that a finished publish carried, by its id and the moment that it was stored."""
    return [span for request_id, stored in requests.items() for span in _journey(receipt, request_id, stored)]


def _journey(receipt: Receipt, request_id: str, stored: datetime) -> list[Span]:
    """`publish`, and in it `render` and for each target `upload`, `purge` and `see`."""
    if receipt.rendered_at is None:
        return []
    trace, whole = trace_of(request_id), _id(request_id, "publish", str(receipt.release))
    about: dict[str, str | int] = {
        "publish.id": receipt.seq, "publish.release": receipt.release, "request.id": request_id,
    }  # fmt: skip

    def span(name: str, start: datetime, end: datetime, **more: str) -> Span:
        return Span(
            trace=trace, id=_id(request_id, str(receipt.release), name, *more.values()), parent=whole, name=name,
            start=start, end=max(start, end), about=about | more,
        )  # fmt: skip

    stages = [span("render", stored, receipt.rendered_at)]
    for leg in receipt.legs:
        for name, start, end in _stages(leg, receipt.rendered_at):
            stages.append(span(name, start, end, target=leg.route.target))
    top = Span(
        trace=trace, id=whole, parent=_id(request_id, "request"), name="publish", start=stored,
        end=max(one.end for one in stages), about=about | {"publish.written": receipt.written},
    )  # fmt: skip
    return [top, *stages]


def _stages(leg: Leg, rendered: datetime) -> Iterable[tuple[str, datetime, datetime]]:
    """The stages of a target that were reached, each from the end of the one before."""
    since = rendered
    reached = [
        ("upload", leg.uploaded_at),
        ("purge", leg.purged_at if leg.route.purges else None),
        ("see", leg.seen_at),
    ]
    for name, at in reached:
        if at is not None:
            yield name, since, at
            since = max(since, at)


class Tracer:
    """Sends the journeys of publishes that came to their end since it was made; `turn` is one look."""

    def __init__(self, db: Database, receipts: Receipts, sink: Sink) -> None:
        self._db, self._receipts, self._sink = db, receipts, sink
        self._open = {one.release for one in receipts.page(limit=LOOKED_BACK) if not one.is_done}
        self._known = self._newest()
        self._version = (-1, -1)

    def turn(self) -> int:
        """Send what there is to send, which may wait for the next turn; returns how many publishes that was."""
        try:
            version = self._receipts.version()
            ended = 0 if version == self._version else self._look()
        except (PublisherError, SqliteError) as error:
            logger.warning("traces have to wait: %s", error)
            return 0
        self._version = version
        return ended

    def _look(self) -> int:
        if self._newest() < self._known:  # the ledger was made anew, and counts anew
            self._known, self._open = 0, set()
        recent = self._receipts.page(limit=LOOKED_BACK)
        new = [one for one in recent if one.release > self._known or one.release in self._open]
        ended = [one for one in reversed(new) if one.is_done]
        for receipt in ended:
            self._sink.add(of_publish(receipt, self._requests(receipt)))
        self._open = {one.release for one in new if not one.is_done}
        self._known = max([self._known, *(one.release for one in recent)])
        return len(ended)

    def _newest(self) -> int:
        return max((one.release for one in self._receipts.page(limit=1)), default=0)

    def _requests(self, receipt: Receipt) -> dict[str, datetime]:
        """Each request that a publish carried, and when its first change was stored."""
        found: dict[str, datetime] = {}
        for change in log.since(self._db, receipt.after, limit=min(receipt.seq - receipt.after, LOOKED_AT)):
            if change.request_id and len(found) < NAMED:
                found.setdefault(change.request_id, change.at)
        return found


def sink(endpoint: str, service: str) -> Sink:
    """Sends spans to an OTLP/HTTP endpoint (`http://127.0.0.1:4318/v1/traces`), by a thread of its own.

    Raises SettingsError when the libraries of the extra `otel` are not there.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise SettingsError(
            "traces need the extra otel: pip install 'randomcamerareviews-publisher[otel]', or leave TRACES_ENDPOINT"
            " empty"
        ) from error
    return Exported(OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS), service)


class Exported:
    """A sink that hands spans to an exporter of OpenTelemetry's in batches; what it cannot send, it drops and logs."""

    def __init__(self, exporter: Any, service: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=1000)
        self._resource = Resource({"service.name": service, "service.namespace": "randomcamerareviews"})

    def add(self, spans: Iterable[Span]) -> None:
        """Have these sent."""
        for span in spans:
            self._processor.on_end(_readable(span, self._resource))

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def _readable(span: Span, resource: Any) -> Any:
    """A span as OpenTelemetry has it."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: int) -> SpanContext:
        return SpanContext(span.trace, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        span.name, context(span.id), context(span.parent) if span.parent else None, resource, dict(span.about),
        kind=SpanKind.SERVER if not span.parent else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=_nanoseconds(span.start), end_time=_nanoseconds(span.end),
    )  # fmt: skip


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1_000
