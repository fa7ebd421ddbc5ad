"""A real API server: a child process, on a free port, with a fresh store that has four accounts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from publisher import local, settings
from publisher.content import editors, products
from publisher.content.database import Database, connect
from publisher.content.model import CameraSpec, Editor, Role
from publisher.content.writer import Writer
from publisher.settings import Api, Data, Settings, Site

ROOT = Path(__file__).parents[2]
PASSWORD = "a long enough password"
START_SECONDS = 120
TOKEN_SECONDS = 300
"""After so long a token is taken anew: the server outlives a token, which is good for 15 minutes."""
MAX_BODY = 1_000_000
SITE = "http://portal.example"


@dataclass
class Server:
    """A running server and what a test needs to talk to it."""

    url: str
    data_dir: Path
    log: Path
    accounts: dict[str, Editor]
    tokens: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)
    command: list[str] = field(default_factory=list, repr=False)
    environ: dict[str, str] = field(default_factory=dict, repr=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def client(self, who: str | None = "ana", **options: Any) -> httpx.Client:
        """A client that is signed in as this account; None for nobody."""
        headers = {} if who is None else {"Authorization": f"Bearer {self.token(who)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, **options)

    def token(self, who: str) -> str:
        """An access token of this account, which is good for some minutes yet."""
        made, token = self.tokens.get(who, (0.0, ""))
        if not token or time.monotonic() - made > TOKEN_SECONDS:
            made, token = time.monotonic(), self.grant(who)["access_token"]
            self.tokens[who] = made, token
        return token

    def grant(self, who: str, password: str = PASSWORD) -> dict[str, Any]:
        """What signing in as this account gives: a session of its own."""
        with self.client(None) as client:
            said = {"email": self.accounts[who].email, "password": password}
            grant: dict[str, Any] = client.post("/auth/token", json=said).raise_for_status().json()
        return grant

    def start(self) -> None:
        """Start the process, which appends to the log, and wait until it can write."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **self.environ}
            )
        _await(self)

    def stop(self) -> None:
        """End the process; AssertionError when it does not stop when asked."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop when asked:\n{self.log.read_text()}") from None

    def kill(self) -> None:
        """Kill every process of the server at once."""
        ours = psutil.Process(self.process.pid)
        for one in (ours, *ours.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def database(self) -> Database:
        """A read-only connection to the server's store."""
        return connect(self.data_dir / "content.db", readonly=True)

    def writes(self) -> Writer:
        """A writer of our own beside the server's."""
        return Writer(self.data_dir / "content.db")

    def is_alive(self) -> bool:
        """Whether the process that was started is still the one that answers."""
        with self.client(None) as client:
            return self.process.poll() is None and client.get("/health/live").status_code == 200


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Start a server on a fresh store in `folder`; its log is shown when it does not come up."""
    with _serving(folder, _accounts(folder / "data")) as server:
        yield server


def restartable(folder: Path, **environ: str) -> Callable[[], AbstractContextManager[Server]]:
    """What starts a server on one fresh store in `folder`, as often as it is called; `environ` are settings of it."""
    return partial(_serving, folder, _accounts(folder / "data"), **environ)


@contextmanager
def _serving(folder: Path, accounts: dict[str, Editor], **environ: str) -> Iterator[Server]:
    data_dir, log = folder / "data", folder / "server.log"
    port = _free_port()
    wanted = Settings(site=Site(url=SITE), data=Data(dir=str(data_dir)), api=Api(port=port, max_body=MAX_BODY))
    server = Server(
        f"http://127.0.0.1:{port}",
        data_dir,
        log,
        accounts,
        command=local.api_command(wanted),
        environ=settings.environment(wanted) | environ,
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


def as_read(review: dict[str, Any]) -> dict[str, Any]:
    """A review as reading it answers: without the way of the change that was just made."""
    return {name: value for name, value in review.items() if name != "publish"}


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that all tests share; its log is shown when one of them failed."""
    failed = request.session.testsfailed
    with running_server(tmp_path_factory.mktemp("api")) as server:
        with server.writes() as writer:  # the first to name a product says what it is called, and some say it otherwise
            writer.run(lambda tx: products.create(tx, brand="Sony", model="A7 IV", spec=CameraSpec()))
        yield server
    if request.session.testsfailed > failed:
        sys.stderr.write(f"\n--- log of the API server ---\n{server.log.read_text()[-8000:]}\n")


@pytest.fixture
def own_api_server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test alone."""
    with running_server(tmp_path) as server:
        yield server


@pytest.fixture
def nobody(api_server: Server) -> Iterator[httpx.Client]:
    """A client without a token."""
    with api_server.client(None) as client:
        yield client


@pytest.fixture
def ana(api_server: Server) -> Iterator[httpx.Client]:
    """An editor."""
    with api_server.client("ana") as client:
        yield client


@pytest.fixture
def beto(api_server: Server) -> Iterator[httpx.Client]:
    """Another editor."""
    with api_server.client("beto") as client:
        yield client


def _accounts(data_dir: Path) -> dict[str, Editor]:
    hashed = editors.hash_password(PASSWORD)
    people = {
        "root": ("Raíz Admin", Role.administrator),
        "chief": ("Julia Chefe", Role.chief),
        "ana": ("Ana Quispe", Role.editor),
        "beto": ("Beto Souza", Role.editor),
    }
    with Writer(data_dir / "content.db") as writer:
        return {
            key: writer.run(
                lambda tx, key=key, name=name, role=role: editors.create(  # type: ignore[misc]
                    tx, email=f"{key}@example.com", name=name, role=role, password_hash=hashed
                )
            )
            for key, (name, role) in people.items()
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health/ready", trust_env=False, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the API server did not come up:\n{server.log.read_text()}")
