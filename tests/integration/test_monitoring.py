"""What load balancers and Prometheus are told: who may read it, whether it is true, and that it is bounded."""

from __future__ import annotations

import asyncio
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.health import Health
from publisher.content.database import connect
from publisher.content.writer import Transaction, Writer
from publisher.delivery.push import Pushed, Pusher
from publisher.errors import TargetError
from publisher.monitoring import WorkerMetrics
from publisher.reporting import Reporter
from publisher.worker import Worker
from tests.integration.api_fixtures import Server
from tests.newsroom import Newsroom

TOKEN = "a-token-for-prometheus-only"
REVIEW = {"title": "A title", "content": "Some words", "camera_model": "Sony A7 IV"}


@pytest.fixture
def server(own_api_server: Server) -> Server:
    """A server that knows a token for Prometheus."""
    own_api_server.stop()
    own_api_server.environ["METRICS_TOKEN"] = TOKEN
    own_api_server.environ["S3_ENDPOINT"], own_api_server.environ["S3_BUCKET"] = "http://127.0.0.1:9", "away"
    own_api_server.start()
    return own_api_server


def read(server: Server) -> dict[str, Metric]:
    """The families by name; none is told twice, and every one says what it is."""
    with server.client(None) as client:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return families(answer.text)


def families(text: str) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in found, f"{family.name} is told twice"
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        found[family.name] = family
    return found


def value(family: Metric, suffix: str = "", **labels: str) -> float:
    (found,) = [
        sample.value
        for sample in family.samples
        if sample.name == family.name + suffix and labels.items() <= sample.labels.items()
    ]
    return found


def test_administrators_and_the_bearer_of_the_token_may_read_the_metrics(server: Server) -> None:
    def status(authorization: str | None) -> int:
        headers = {} if authorization is None else {"Authorization": authorization}
        with server.client(None) as client:
            return client.get("/metrics", headers=headers).status_code

    assert status(f"Bearer {TOKEN}") == 200
    assert status(f"Bearer {server.token('root')}") == 200
    assert status(f"Bearer {server.token('chief')}") == 403
    for other in (None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
        assert status(other) == 401, other


def test_without_a_token_set_an_empty_one_opens_nothing(own_api_server: Server) -> None:
    with own_api_server.client(None) as client:
        for sent in ("Bearer", ""):
            assert client.get("/metrics", headers={"Authorization": sent}).status_code == 401


def test_requests_commits_and_sign_ins_are_counted(server: Server) -> None:
    with server.client("ana") as ana, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ana.post("/reviews", json=REVIEW).status_code, range(40)))
        assert answers == [201] * 40
        assert ana.get("/reviews/none").status_code == 404
        assert ana.post("/auth/token", json={"email": "ana@example.com", "password": "wrong"}).status_code == 401
    found = read(server)
    requests = found["publisher_http_request_seconds"]
    assert value(requests, "_count", method="POST", route="/reviews", status="201") == 40
    assert value(requests, "_count", method="GET", route="/reviews/{review_id}", status="404") == 1
    assert 0 < value(requests, "_sum", method="POST", route="/reviews", status="201") < 40 * 30
    assert value(found["publisher_commit_operations"], "_sum") >= 41
    assert 0 < value(found["publisher_commit_seconds"], "_count") <= value(found["publisher_commit_operations"], "_sum")
    sign_ins = found["publisher_sign_ins"]
    assert [value(sign_ins, "_total", outcome=name) for name in ("granted", "refused")] == [1, 1]


def test_the_outbox_grows_while_no_worker_runs(server: Server) -> None:
    before = read(server)
    with server.client("ana") as ana:
        assert ana.post("/reviews", json=REVIEW).status_code == 201
    after = read(server)
    grown = [value(each["publisher_changes_to_publish"]) for each in (before, after)]
    assert grown[1] > grown[0] > 0
    assert value(after["publisher_oldest_unpublished_seconds"]) > value(before["publisher_oldest_unpublished_seconds"])
    assert value(after["publisher_wal_bytes"], database="content") > 0
    free = shutil.disk_usage(server.data_dir).free
    assert abs(value(after["publisher_disk_free_bytes"]) - free) < 1_000_000_000


def test_no_client_can_add_a_label(server: Server) -> None:
    with server.client("ana") as ana:
        ana.get("/nothing")
        ana.request("BREW", "/reviews")
        ana.get("/reviews/none")
        ana.get("/reviews/none?x=0")
        ana.delete("/reviews/none")
        known = {str(sample.labels) for sample in read(server)["publisher_http_request_seconds"].samples}
        known |= {str(sample.labels) for sample in read(server)["publisher_http_request_seconds"].samples}
        for number in range(50):
            ana.get(f"/nothing/{number}")
            ana.request(f"BREW{number}", "/reviews")
            ana.get(f"/reviews/none-{number}")
            ana.get(
                f"/reviews/none-{number}?x={number}", headers={"X-Request-Id": f"id-{number}", "Host": f"h{number}"}
            )
    requests = read(server)["publisher_http_request_seconds"]
    assert {str(sample.labels) for sample in requests.samples} == known
    assert {sample.labels["method"] for sample in requests.samples} <= {"GET", "POST", "DELETE", "unknown"}


def test_the_outbox_is_empty_once_all_is_delivered(server: Server) -> None:
    server.token("ana")  # signing in is a change, too
    with closing(server.database()) as db:
        head = db.conn.execute("SELECT max(seq) FROM changes").fetchone()[0]
    room = Newsroom(server.data_dir)
    room.publish()
    room.pusher.note(room.clock(), Pushed(1, 0, 1))
    room.close()
    found = read(server)
    assert value(found["publisher_built_change"]) == value(found["publisher_delivered_change"]) == head
    assert value(found["publisher_changes_to_publish"]) == value(found["publisher_oldest_unpublished_seconds"]) == 0
    with server.client("ana") as ana:
        assert ana.post("/reviews", json=REVIEW).status_code == 201
    found = read(server)
    assert value(found["publisher_changes_to_publish"]) == 2
    assert 0 < value(found["publisher_oldest_unpublished_seconds"]) < 30


def test_what_the_worker_reported_is_shown_too(server: Server) -> None:
    assert "publisher_release" not in read(server)
    metrics = WorkerMetrics(server.data_dir)
    metrics.release.set(7)
    metrics.write()
    found = read(server)
    assert value(found["publisher_release"]) == 7
    assert "publisher_worker_process_cpu_seconds" in found


def test_a_planted_fault_in_the_text_is_found() -> None:
    good = "# HELP a What it is.\n# TYPE a gauge\na 1.0\n"
    families(good)
    with pytest.raises(AssertionError, match="twice"):
        families(good + "# HELP b B.\n# TYPE b gauge\nb 1.0\n" + good)
    with pytest.raises(AssertionError):
        families("a 1.0\n")


def told(room: Newsroom) -> dict[str, Metric]:
    return families((room.folder / "worker.prom").read_text(encoding="utf-8"))


def test_the_worker_counts_what_it_delivers_and_what_kept_it(room: Newsroom) -> None:
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock)
    reporter = Reporter(room.content_db, room.ledger, [room.pusher], WorkerMetrics(room.folder), clock=room.clock)
    reporter(worker.round())
    review = room.post()
    room.target.broken = {f"reviews/{review.slug}/index.html"}
    reporter(worker.round())
    found = told(room)
    assert value(found["publisher_publishes"], "_total", outcome="failed") == 1
    assert value(found["publisher_put_failures"], "_total", reason="unavailable") == 1
    assert value(found["publisher_objects_waiting"]) > 0
    done = worker.round()
    reporter(done)
    reporter.close()
    assert done.pushed is not None
    found = told(room)
    assert value(found["publisher_publishes"], "_total", outcome="delivered") == 1
    assert value(found["publisher_publish_lag_seconds"], "_count") == 1
    assert value(found["publisher_publish_lag_seconds"], "_sum") > 1
    assert value(found["publisher_objects_waiting"]) == 0
    assert value(found["publisher_objects_put"], "_total") >= done.pushed.puts
    assert value(found["publisher_release"]) == 2
    assert value(found["publisher_target_lag_seconds"], "_count", target="memory") == 1
    assert value(found["publisher_lease_fence"], target="memory") == 0
    assert value(found["publisher_purges_waiting"], target="memory") == 0


def test_put_failures_of_a_real_store_have_a_reason(room: Newsroom) -> None:
    class Away:
        name = "away"

        def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
            raise TargetError("planted", "forbidden")

    pusher = Pusher(room.ledger, room.objects, Away())  # type: ignore[arg-type]
    with pytest.raises(TargetError):
        pusher.run()
    pusher.close()
    assert set(pusher.failures) == {"forbidden"}


def test_ready_is_a_503_while_nobody_can_write_and_recovers(server: Server) -> None:
    def ready() -> httpx.Response:
        with server.client(None) as client:
            return client.get("/health/ready")

    assert ready().json() == {"status": "ready", "checks": {"database": True, "disk": True}}
    other = connect(server.data_dir / "content.db")
    other.conn.execute("BEGIN IMMEDIATE")
    until = time.monotonic() + 60
    while (answer := ready()).status_code == 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "checks": {"database": False, "disk": True}}
    assert answer.headers["retry-after"]
    with server.client(None) as client:
        assert client.get("/health/live").status_code == 200
    other.conn.execute("ROLLBACK")
    other.close()
    while ready().status_code != 200:
        assert time.monotonic() < until + 10
        time.sleep(0.1)


def health_of(writer: Writer, folder: Path, low_water: int) -> Health:
    def write(operation):  # type: ignore[no-untyped-def]
        return asyncio.wrap_future(writer.submit(operation))

    return Health(write, folder, low_water)


def test_a_disk_below_low_water_is_not_ready(fresh_store: tuple[Writer, Path]) -> None:
    writer, path = fresh_store
    free = shutil.disk_usage(path.parent).free
    checks = asyncio.run(health_of(writer, path.parent, 10 * free).checks())
    assert checks == {"database": True, "disk": False}
    assert asyncio.run(health_of(writer, path.parent, 1).checks()) == {"database": True, "disk": True}


def test_a_store_that_refuses_writes_is_not_ready(fresh_store: tuple[Writer, Path]) -> None:
    writer, path = fresh_store

    def break_it(tx: Transaction) -> None:
        tx.db.conn.execute("CREATE TEMP TRIGGER planted BEFORE INSERT ON facts BEGIN SELECT raise(ABORT, 'full'); END")

    writer.run(break_it)
    assert asyncio.run(health_of(writer, path.parent, 1).checks()) == {"database": False, "disk": True}


def test_asking_at_once_costs_one_write(fresh_store: tuple[Writer, Path]) -> None:
    path = fresh_store[1]
    written: list[int] = []
    with Writer(path, measure=lambda operations, seconds: written.append(operations)) as counted:
        health = health_of(counted, path.parent, 1)

        async def crowd() -> None:
            await asyncio.gather(*(health.checks() for _ in range(50)))
            await health.checks()

        asyncio.run(crowd())
    assert written == [1]
