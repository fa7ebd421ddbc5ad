"""Traces of requests that wrote, from answer to readers, through OpenTelemetry's own libraries; nothing when off."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher import tracing
from publisher.content import reviews
from publisher.content.database import connect
from publisher.content.model import Draft
from publisher.delivery.receipts import Leg, Receipt, Receipts, Route
from publisher.errors import SettingsError
from publisher.tracing import Span, Tracer
from tests.couriers import work
from tests.integration.api_fixtures import restartable
from tests.integration.asking import until
from tests.newsroom import Newsroom, text
from tests.receiver import receiving

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def moment(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_a_request_whose_id_is_a_trace_is_in_it_and_any_other_makes_one() -> None:
    assert tracing.trace_of(TRACE) == int(TRACE, 16)
    assert tracing.trace_of("4f-1") == tracing.trace_of("4f-1") != tracing.trace_of("4f-2")
    for odd in ("", "0" * 32, TRACE.upper(), TRACE + "0"):
        assert 0 < tracing.trace_of(odd) < 2**128


def test_a_publish_is_told_stage_by_stage_within_the_request() -> None:
    legs = (
        Leg(route=Route(target="sa", purges=True, probes=True), waiting=0, uploaded_at=moment(2), purged_at=moment(3),
            seen_at=moment(5)),
        Leg(route=Route(target="eu"), waiting=0, uploaded_at=moment(4), purged_at=moment(4)),
    )  # fmt: skip
    receipt = Receipt(release=7, after=40, seq=42, rendered_at=moment(1), written=23, legs=legs)
    spans = tracing.of_publish(receipt, {TRACE: AT})
    assert {one.trace for one in spans} == {int(TRACE, 16)}
    assert len({one.id for one in spans}) == len(spans)
    told = {(one.name, one.about.get("target", "")): (one.start, one.end) for one in spans}
    assert told == {
        ("publish", ""): (AT, moment(5)),
        ("render", ""): (AT, moment(1)),
        ("upload", "sa"): (moment(1), moment(2)),
        ("purge", "sa"): (moment(2), moment(3)),
        ("see", "sa"): (moment(3), moment(5)),
        ("upload", "eu"): (moment(1), moment(4)),
    }
    request = tracing.of_request(TRACE, "POST", "/reviews", 201, ended=AT, seconds=0.007)
    top = spans[0]
    assert (request.trace, request.id) == (top.trace, top.parent)
    assert {one.parent for one in spans[1:]} == {top.id}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def add(self, spans: Iterable[Span]) -> None:
        self.spans += spans

    def close(self) -> None:
        return


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with people and products, published once."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    work(fresh)
    yield fresh
    fresh.close()


@contextmanager
def tracer_of(room: Newsroom, kept: Kept) -> Iterator[Tracer]:
    with (
        closing(connect(room.content_db, readonly=True)) as db,
        closing(Receipts(room.folder / "ledger.db")) as receipts,
    ):
        yield Tracer(db, receipts, kept)


def asked(room: Newsroom, title: str, request_id: str) -> None:
    """A review that a request of this id wrote."""
    author = room.editors[0].id
    room.writer.run(
        lambda tx: reviews.create(tx, Draft(title=title), text("Hola."), editor_id=author), actor=author,
        request_id=request_id,
    )  # fmt: skip


def test_a_publish_is_told_once_and_those_before_the_start_are_not(room: Newsroom) -> None:
    kept = Kept()
    with tracer_of(room, kept) as tracer:
        assert tracer.turn() == 0
        asked(room, "Una cámara", "first-1")
        assert tracer.turn() == 0
        work(room)
        assert tracer.turn() == 1
        assert [one.name for one in kept.spans] == ["publish", "render", "upload"]
        assert {one.about["request.id"] for one in kept.spans} == {"first-1"}
        assert tracer.turn() == 0
        asked(room, "Otra", "second-1")
        asked(room, "Y otra", "third-1")
        work(room)
        tracer.turn()
        assert {one.trace for one in kept.spans[3:]} == {tracing.trace_of("second-1"), tracing.trace_of("third-1")}
        assert all(one.start <= one.end for one in kept.spans)


def test_opentelemetry_takes_the_spans_as_they_are() -> None:
    exporter = InMemorySpanExporter()
    sink = tracing.Exported(exporter, "publisher-api")
    sink.add([tracing.of_request(TRACE, "PUT", "/reviews/{id}", 500, ended=AT, seconds=1.5)])
    sink.close()
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.end_time == int(AT.timestamp()) * 10**9
    assert span.start_time == span.end_time - 1_500_000_000
    assert not span.status.is_ok
    assert span.resource.attributes["service.name"] == "publisher-api"


class Collector(ThreadingHTTPServer):
    """Takes traces as a collector does, by OTLP over HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collecting)
        self.spans: list[trace_pb2.Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Collecting(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        said = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.spans += [span for one in said.resource_spans for scope in one.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes all."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_editor_s_request_is_one_trace_from_the_answer_to_the_bucket(collector: Collector, tmp_path: Path) -> None:
    with restartable(tmp_path, TRACES_ENDPOINT=collector.url)() as server, server.client() as client:
        body = {"title": "Una cámara", "content": "Buena.", "camera_model": "Nikon Zf"}
        answer = client.post("/reviews", json=body, headers={"X-Request-Id": TRACE})
        assert answer.status_code == 201
        assert client.get("/reviews").status_code == 200
    until(lambda: len(collector.spans) > 0, "the API's span comes to the collector")
    (request,) = [one for one in collector.spans if one.trace_id.hex() == TRACE]
    assert (request.name, request.parent_span_id) == ("POST /reviews", b"")
    assert request.end_time_unix_nano > request.start_time_unix_nano
    assert not [one for one in collector.spans if one.name.startswith("GET")]


def test_what_cannot_be_sent_holds_nobody_up() -> None:
    over = threading.Event()
    spans = [tracing.of_request(TRACE, "PUT", "/reviews/{id}", 200, ended=AT, seconds=1)]

    def hold(handler: BaseHTTPRequestHandler) -> None:
        over.wait(300)

    with receiving() as deaf:
        deaf.answer = hold
        sink = tracing.sink(f"http://127.0.0.1:{deaf.port}/v1/traces", "publisher-worker")
        began = time.monotonic()
        sink.add(spans)
        assert time.monotonic() - began < tracing.SEND_SECONDS
        deaf.wait_for(1)
        sink.add(spans)
        sink.close()
        assert not over.is_set(), "closing waits for no answer"
        over.set()


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"pip install 'randomcamerareviews-publisher\[otel\]'"):
        tracing.sink("http://127.0.0.1:4318/v1/traces", "publisher-api")


def test_nothing_is_imported_while_it_is_off(tmp_path: Path) -> None:
    program = (
        "import sys; from api.app import create_app; from publisher import settings, plant, tracing;"
        f"create_app(settings.load({{'DATA_DIR': {str(tmp_path)!r}}}));"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "[]", ran.stderr
