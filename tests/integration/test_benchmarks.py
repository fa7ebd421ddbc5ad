"""The benchmarks run, small: those that need nothing beside the runtime."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from benchmarks import (
    crowded,
    delays,
    document,
    draining,
    full_build,
    generator,
    load,
    machine,
    peers,
    processes,
    regions,
    results,
    rollback,
    rollout,
    search,
    sync,
    vocabulary,
    write_parts,
    writes,
)
from benchmarks.results import Report, Result
from publisher.content.database import connect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for the sockets of a stack, whatever the test is called."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder)


def test_publish_latency_measures_each_size_and_leaves_nothing_behind(short_folder: Path) -> None:
    argv = [sys.executable, "-m", "benchmarks", "publish-latency", "--quick", "--json", "--dir", str(short_folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    said = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in said].count("machine") == 1
    found = {(line["case"], line["quantity"]): line for line in said if line["kind"] == "result"}
    assert len({case for case, _ in found}) == 2
    assert all(line["rounds"] > 0 and line["median"] > 0 for line in found.values())
    assert all(line["median"] <= 64 for (_, quantity), line in found.items() if quantity == "objects put")
    assert list(short_folder.iterdir()) == []
    assert str(short_folder) not in _commands(), "a server still runs"


def test_a_full_build_is_measured_without_hugo(tmp_path: Path) -> None:
    report = full_build.run(tmp_path, quick=True, beside_hugo=False)
    found = {one.quantity: one for one in report.results}
    assert {one.case for one in report.results} == {"publisher", full_build.BARE}
    assert 0 < found["hashed and kept by one process"].median < found["wall clock"].median
    assert found["files of the site"].median > 40
    assert 10 < found["peak memory"].median < 1_000
    assert found["processor time"].median > 0


def test_writes_are_measured_without_peers(short_folder: Path) -> None:
    report = writes.run(short_folder, quick=True)
    for side in (peers.OURS, peers.BARE):
        found = {(one.case, one.quantity): one.median for one in report.results if one.case.endswith(f": {side}")}
        assert {quantity for _, quantity in found} == {"answered", "p50", "p99", "processor time"}
        assert len(found) == 8
        assert min(found.values()) > 0
        assert any(
            note.startswith(side) and ("each answer waited" in note or "strace" in note) for note in report.notes
        )


def test_questions_to_the_search_are_measured(tmp_path: Path) -> None:
    report = search.run(tmp_path, quick=True)
    found = {one.quantity: one.median for one in report.results if one.case == "40 reviews: publisher"}
    assert len(found) == 14
    assert min(found.values()) > 0
    assert found["first question, three words"] < found["the same at the fullest, three words"] < 60
    assert found["first question, one word"] < found["first question, three words"] < 60
    assert 2 <= found["written by a publish"] <= 5
    assert any("products" in note and "head" in note for note in report.notes)
    texts = [one.markdown for one in vocabulary.spread(generator.generate(300))]
    assert texts[:3] == [one.markdown for one in vocabulary.spread(generator.generate(3))], "the same in every run"
    different = sum(len(set(text.lower().split())) for text in texts) / len(texts)
    assert 250 < different < 400, "as posts of a corpus of real ones have"


def test_four_regions_read_from_their_edges_alone(short_folder: Path) -> None:
    report = regions.run(short_folder, quick=True)
    hits = {one.case: one.median for one in report.results if one.quantity == "answered by the edge alone"}
    assert len(hits) == 16
    assert all(share == 100 for case, share in hits.items() if case.endswith(", warm"))
    assert all(share < 100 for case, share in hits.items() if case.endswith(", cold"))
    assert "requests of readers that reached the API: 0" in report.notes
    assert all(" 0 of " in note for note in report.notes if "failed" in note), report.notes


def test_a_publish_reaches_four_regions_in_their_order(short_folder: Path) -> None:
    found = {(one.case, one.quantity): one.median for one in rollout.run(short_folder, quick=True).results}
    pages = [found[case, what] for case, what in found if what == rollout.PAGE]
    assert len(pages) == 4
    assert pages == sorted(pages), "each region begins when the one before it has everything"
    assert all(found[case, rollout.HOME] > found[case, rollout.PAGE] for case, _ in found)


def test_the_parts_of_a_write_are_measured(tmp_path: Path) -> None:
    found = {one.case: one.median for one in write_parts.run(tmp_path, quick=True).results}
    assert {"HTTP", "Markdown to safe HTML", "database", "database: texts", "database: changes"} <= set(found)
    assert min(found.values()) > 0
    assert found["HTTP: body decoded and checked"] < found["HTTP"]


@contextmanager
def _side(folder: Path, name: str, *, status: int = 201, stores: bool = True) -> Iterator[peers.Side]:
    """A server in this process that answers each POST with `status`, and `stores` a row for each or does not."""
    path = folder / f"{name}.db"
    store, lock = connect(path), threading.Lock()
    store.conn.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY)")

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if stores:
                with lock:
                    store.conn.execute("INSERT INTO reviews DEFAULT VALUES")
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing to say."""

    bodies = folder / "bodies"
    bodies.write_text('{"title": "NUMBER"}\n')
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = load.Target(port=server.server_port, path="/", authorization="none", bodies=bodies)
    try:
        yield peers.Side(name=name, target=target, pid=os.getpid(), database=path)
    finally:
        server.shutdown()
        server.server_close()
        store.close()


@pytest.mark.parametrize(("status", "told"), [(201, "and stored 0"), (500, "refused")])
def test_a_server_that_stores_nothing_is_not_measured(tmp_path: Path, status: int, told: str) -> None:
    with _side(tmp_path, "forgetful", status=status, stores=False) as side, pytest.raises(RuntimeError, match=told):
        writes.checked(side, 2, 1, number=1)


def test_a_peer_that_fails_is_measured_no_more_and_the_others_are(tmp_path: Path) -> None:
    with _side(tmp_path, peers.OURS) as ours, _side(tmp_path, "forgetful", stores=False) as peer:
        timed, failures = writes.measured([ours, peer], (1, 2), 1, 1, warm_up=1)
    assert {(many, name) for many, name in timed} == {(1, peers.OURS), (2, peers.OURS)}
    assert len(failures) == 1
    assert "forgetful answered" in failures[0]
    assert all(one.spent > 0 for rounds in timed.values() for one in rounds)


def test_ours_may_not_fail(tmp_path: Path) -> None:
    with _side(tmp_path, peers.OURS, stores=False) as ours, pytest.raises(RuntimeError, match="and stored 0"):
        writes.measured([ours], (1,), 1, 1, warm_up=1)


def test_memory_is_that_of_the_whole_tree() -> None:
    hold = "held = bytearray(b'x') * 60_000_000; print('held', flush=True); input()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    process = subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == b"held\n"
            assert 60 < processes.memory_mb(process.pid) < 200
        finally:
            process.stdin.close()
    assert processes.memory_mb(process.pid) == 0


def _commands() -> str:
    """The command lines of all processes."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return "\n".join(found)


def test_going_back_is_measured_beside_the_same_by_a_build(short_folder: Path) -> None:
    report = rollback.run(short_folder, quick=True)
    assert {one.case for one in report.results} == {rollback.BACK, rollback.FORWARD, rollback.ANEW}
    assert report.results[-1].median > 1_000, "every page of the catalogue too"


def test_draining_is_measured_beside_a_bare_loop(short_folder: Path) -> None:
    report = draining.run(short_folder, quick=True)
    assert {one.case for one in report.results} == {draining.BARE, draining.PLAIN, draining.FENCED}
    assert min(one.median for one in report.results) > 0


def test_a_publish_into_a_crowded_bucket_lists_nothing(short_folder: Path) -> None:
    report = crowded.run(short_folder, quick=True)
    ours = {one.quantity: one.median for one in report.results if one.case == crowded.OURS}
    assert ours["requests"] == crowded.CHANGED
    assert ours["of them LIST"] == 0
    listing = {one.case: one.median for one in report.results if one.quantity == "of them LIST"}
    assert listing["rclone sync --checksum"] > 0, "the proxy counts lists"


def test_a_way_takes_its_round_trips() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while some := connection.recv(100):
                    connection.sendall(some)

        threading.Thread(target=echo, daemon=True).start()
        path = delays.Path(port=server.getsockname()[1], ms=40)
        with delays.Network([path]):
            began = time.perf_counter()
            with socket.create_connection(("127.0.0.1", path.listens_at)) as reader:
                for trips in (2, 3):
                    reader.sendall(b"GET /")
                    assert reader.recv(10) == b"GET /"
                    assert time.perf_counter() - began >= trips * 0.04
    assert path.asked == 2


def test_an_unknown_benchmark_is_named(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "benchmarks", "nonsense"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert "publish-latency" in done.stderr


def _report(name: str, median: float) -> Report:
    one = Result(
        benchmark=name, case="all", quantity="time", unit="s", rounds=1, median=median, low=median, high=median,
        p99=None,
    )  # fmt: skip
    return Report(benchmark=name, title=name, about="", results=[one])


def test_writing_one_benchmark_keeps_the_others(tmp_path: Path) -> None:
    path, here = tmp_path / "benchmarks.md", machine.describe((), machine.moment())
    document.write(path, [_report("one", 1), _report("two", 2)], here)
    document.write(path, [_report("two", 34)], here)
    text = path.read_text()
    assert text.count("<!-- one -->") == text.count("<!-- two -->") == 1
    assert "34" in text
    document.write(path, [_report("two", 34)], here)
    assert path.read_text() == text


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 201)]
    assert results.quantile(values, 0.99) == 198
    assert results.quantile(values, 0.5) == 100
    assert results.result("b", "c", "q", "s", values).p99 == 198
    assert results.result("b", "c", "q", "s", values[:50]).p99 is None


def test_a_ratio_compares_medians() -> None:
    one = results.result("b", "c", "q", "s", [2.0, 4.0, 100.0], against=("base", [2.0, 2.0, 2.0]))
    assert one.ratio == 2


def test_coming_up_to_date_is_measured_beside_both_others(tmp_path: Path) -> None:
    report = sync.run(tmp_path, quick=True)
    found = {(one.case.partition(", ")[2], one.quantity): one.median for one in report.results}
    journeys = {case.partition(":")[0] for case, _ in found}
    assert journeys == {"one publish behind", "a day behind", "a month behind", "new"}
    for journey in journeys:
        ways = {way: found[f"{journey}: {way}", "fetched"] for way in (sync.OURS, sync.SHARDS, sync.ALL)}
        assert all(size > 0 for size in ways.values())
        if journey != "new":
            assert ways[sync.OURS] < ways[sync.SHARDS] <= ways[sync.ALL]
    assert found["one publish behind: bundles", "requests"] == 2
