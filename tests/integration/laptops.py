"""Editors' machines, and the network between them and the API: it goes away, loses answers, and lies."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from publisher.cli import main
from tests.integration.api_fixtures import PASSWORD, Server

Canned = tuple[int, dict[str, str], bytes]


class Laptop:
    """One user's `publisher`, with a folder of files and a home of its own."""

    def __init__(self, folder: Path, email: str = "ana@example.com") -> None:
        self.folder, self.home, self.email = folder / "reviews", folder / "state", email
        self.folder.mkdir(parents=True)
        self.environ = {"XDG_STATE_HOME": str(self.home), "PUBLISHER_PASSWORD": PASSWORD, "COLUMNS": "80"}

    def __call__(self, *words: str, answer: int = 0, typed: str | None = None) -> str:
        """What a command says in the folder; fails unless it ends with `answer`."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            result = CliRunner().invoke(main, list(words), env=self.environ, input=typed)
        finally:
            os.chdir(before)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == answer, result.output
        return result.output

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        # Tests that run in the background are deaf to interrupts, and so would be what they start.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "publisher", *words]
        return subprocess.Popen(
            command, cwd=self.folder, env=os.environ | self.environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def told(self, *words: str, answer: int = 0) -> Any:
        """What a command says as JSON."""
        return json.loads(self(*words, "--json", answer=answer))

    def sign_in(self, url: str) -> None:
        self("login", url, "--email", self.email)

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "publisher" / "session.json").read_bytes())
        return found

    def change_session(self, **fields: Any) -> None:
        path = self.home / "publisher" / "session.json"
        path.write_text(json.dumps(self.session() | fields), encoding="utf-8")

    def write(self, name: str, body: str = "Una cámara **equilibrada**.\n", **fields: Any) -> None:
        """A file about a camera."""
        matter = {"title": name.removesuffix(".md"), "camera": "Sony A7 IV"} | fields
        lines = "".join(f"{field}: {json.dumps(value)}\n" for field, value in matter.items() if value is not None)
        (self.folder / name).write_text(f"---\n{lines}---\n{body}", encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text, text
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    def ids(self) -> dict[str, str]:
        """The id of the review of each file that waits."""
        return {entry["path"]: entry["id"] for entry in self.told("outbox", "list")}


class Network:
    """A way to the API that can be cut, loses answers after they were given, or answers by itself."""

    def __init__(self, url: str) -> None:
        self._upstream = urlsplit(url).netloc
        self._server: ThreadingHTTPServer | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self.loses: Callable[[str, str], bool] = lambda method, path: False
        """Whether the API's answer to this request is lost on its way back."""
        self.swallows: Callable[[str, str], bool] = lambda method, path: False
        """Whether the API's answer to this request vanishes and nobody is told: the connection stays open."""
        self.says: Callable[[str, str], Canned | None] = lambda method, path: None
        """What answers this request in the API's place."""
        self.holds = threading.Event()
        """Set to let an answer through; while `hangs`, answers wait for it."""
        self.hangs = False
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answered: list[tuple[str, str, int, bytes]] = []
        """What was answered to what, lost or not: method, path, status, body."""
        self.up()

    def up(self) -> None:
        """Let requests through."""
        network = self

        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                network._pass(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815

            def log_message(self, *words: Any) -> None:
                """Nothing: what matters is in `asked`."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Nothing: clients hang up here on purpose."""

        self._server = Quiet(("127.0.0.1", self._port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def lose_once(self, method: str, begins: str = "/reviews") -> None:
        """Lose the next answer to such a request: the connection ends without it."""
        self.loses = _once(method, begins)

    def swallow_once(self, method: str, begins: str) -> None:
        """Let the next answer to such a request vanish, as when a cable is pulled: nothing comes, no end either."""
        self.swallows = _once(method, begins)

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """Answer everything like this, until `honest`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.says = lambda method, path: (status, sent, body)

    def say_once(self, status: int, detail: str, **headers: str) -> None:
        """Answer one write with this problem."""
        left = [None]
        sent = {"content-type": "application/problem+json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }

        def says(method: str, path: str) -> Canned | None:
            if method == "GET" or not left:
                return None
            left.pop()
            return status, sent, json.dumps({"detail": detail}).encode()

        self.says = says

    def honest(self) -> None:
        self.says = lambda method, path: None

    def _pass(self, handler: BaseHTTPRequestHandler) -> None:
        method, path = handler.command, handler.path
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.asked.append((method, path, {name.lower(): value for name, value in handler.headers.items()}))
        handler.close_connection = True
        status, headers, answer = self.says(method, path) or self._forward(handler, body)
        self.answered.append((method, path, status, answer))
        if self.hangs:
            self.holds.wait(30)
        if self.swallows(method, path):
            self.holds.wait(240)
        if self.loses(method, path):
            return
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Canned:
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
            connection.request(handler.command, handler.path, body or None, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


def _once(method: str, begins: str) -> Callable[[str, str], bool]:
    """Whether a request is the first of this method whose path begins so."""
    left = [None]

    def is_it(asked: str, path: str) -> bool:
        return asked == method and path.startswith(begins) and bool(left and left.pop() is None)

    return is_it


class Author(msgspec.Struct, frozen=True):
    """An editor with nothing written yet."""

    id: str
    email: str
    client: httpx.Client


@pytest.fixture
def author(api_server: Server) -> Iterator[Author]:
    """An editor of this test alone, on the server that all tests share."""
    email = f"{uuid4().hex}@example.com"
    said = {"email": email, "name": "Inés Prueba", "role": "editor", "password": PASSWORD}
    with api_server.client("root") as root:
        made = root.post("/editors", json=said).raise_for_status().json()
    with api_server.client(None) as client:
        grant = client.post("/auth/token", json={"email": email, "password": PASSWORD}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {grant['access_token']}"
        yield Author(made["id"], email, client)


@pytest.fixture
def elsewhere(author: Author) -> httpx.Client:
    """What the author does by other ways than a laptop."""
    return author.client


@pytest.fixture
def network(api_server: Server) -> Iterator[Network]:
    """A way to the API."""
    way = Network(api_server.url)
    yield way
    way.holds.set()
    way.down()


@pytest.fixture
def laptop(tmp_path: Path, network: Network, author: Author) -> Laptop:
    """The author's, signed in."""
    mine = Laptop(tmp_path / "first", author.email)
    mine.sign_in(network.url)
    return mine


@pytest.fixture
def second_laptop(tmp_path: Path, network: Network, author: Author) -> Laptop:
    """Another laptop of theirs, signed in."""
    other = Laptop(tmp_path / "second", author.email)
    other.sign_in(network.url)
    return other


@pytest.fixture
def free_slug() -> str:
    """An address that nobody has."""
    return f"la-luz-{uuid4().hex}"


def held(client: httpx.Client, review_id: str) -> dict[str, Any]:
    """A review as the API holds it."""
    found: dict[str, Any] = client.get(f"/reviews/{review_id}").raise_for_status().json()
    return found


def ids_of(told: dict[str, Any]) -> dict[str, str]:
    """The id of the review of each file that was posted."""
    return {file["path"]: file["id"] for file in told["files"] if "id" in file}
