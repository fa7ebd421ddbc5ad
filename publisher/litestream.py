"""How Litestream is run: what it is told, how a database is brought back, and what it says of itself.

Litestream reads the write-ahead log of `content.db` and sends it to a bucket, about once a second
(https://litestream.io). The program of the package brings a SQLite of its own, 3.53, without the fault that
`content.database` refuses.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from publisher.content import database
from publisher.errors import BackupError

CONFIGURATION = "litestream.yml"
SOCKET = "litestream.sock"
"""Named without its folder, in which Litestream runs: the path of a socket may have 100 characters only."""
PRIVATE = 0o077
"""What Litestream writes is for its owner only: it holds every account."""
_TEXT = """\
# Continuous backup of the content database. Credentials come from the environment: AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY, or the usual AWS chain.
#     litestream replicate -no-expand-env -config litestream.yml
logging: {{level: warn, type: json, stderr: true}}
socket: {{enabled: true, path: {socket}, permissions: 0600}}
snapshot: {{interval: {snapshot_hours}h, retention: {keep_hours}h}}
dbs:
  - path: {database}
    replica:
      type: s3
      bucket: {bucket}
      path: {prefix}
      region: {region}
{endpoint}      sync-interval: {sync_seconds}s
"""
_ENDPOINT = """\
      endpoint: {endpoint}
      force-path-style: true
"""

LISTING_SECONDS = 30.0
"""How long a listing may take: of a store that is away Litestream asks again and again, for minutes."""
EMPTYING_SECONDS = 60.0
"""How long readers of the write-ahead log are waited for before it is emptied."""
_SALTS_IN_LTX, _SALTS_IN_LOG = slice(64, 72), slice(16, 24)
"""Where a file of Litestream's (https://github.com/superfly/ltx) and a write-ahead log
(https://sqlite.org/fileformat2.html#the_write_ahead_log) have the numbers that change when a log is begun anew."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where backups lie. `endpoint` is empty for AWS; without `access_key` the usual AWS chain gives credentials."""

    bucket: str
    prefix: str = "content"
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How often what was written is sent, how often all of it is sent anew, and for how long that is kept."""

    sync_seconds: int = 1
    snapshot_hours: int = 24
    keep_days: int = 30


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the bucket holds of the database: since when, until when, in how many files and bytes."""

    oldest: datetime
    newest: datetime
    files: int
    bytes: int


class _File(msgspec.Struct):
    level: int
    size: int
    timestamp: datetime


class _Listed(msgspec.Struct):
    last_sync_at: datetime | None = None


class _List(msgspec.Struct):
    databases: list[_Listed]


def configuration(place: Place, content_db: Path | str, habits: Habits = Habits()) -> str:  # noqa: B008 — frozen
    """The text of ``litestream.yml``; it holds no secret."""
    quoted = {name: _quoted(getattr(place, name)) for name in ("bucket", "prefix", "region", "endpoint")}
    return _TEXT.format(
        **quoted | {"endpoint": _ENDPOINT.format(endpoint=quoted["endpoint"]) if place.endpoint else ""},
        socket=SOCKET, database=_quoted(str(content_db)), sync_seconds=habits.sync_seconds,
        snapshot_hours=habits.snapshot_hours, keep_hours=habits.keep_days * 24,
    )  # fmt: skip


def environment(place: Place, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the credentials of `place`.

    Litestream does not start with AWS_CA_BUNDLE, so the bundle is given by the name that Go knows it by. Settings of
    ours are left out: of some of them Litestream would make its own.
    """
    ours = ("LOG_LEVEL", "AWS_CA_BUNDLE", "S3_", "BACKUP_", "METRICS_", "CDN_", "TARGETS")
    kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
    if environ.get("AWS_CA_BUNDLE"):
        kept.setdefault("SSL_CERT_FILE", environ["AWS_CA_BUNDLE"])
    if place.access_key:
        kept |= {"AWS_ACCESS_KEY_ID": place.access_key, "AWS_SECRET_ACCESS_KEY": place.secret_key}
        kept.pop("AWS_SESSION_TOKEN", None)
    return kept


class Litestream:
    """The program with its configuration for one database, in a `folder` of its own."""

    def __init__(
        self,
        program: Path | str,
        folder: Path,
        place: Place,
        content_db: Path,
        environ: Mapping[str, str],
        habits: Habits = Habits(),  # noqa: B008 — frozen
    ) -> None:
        """Writes the configuration into `folder`, which is made when it is missing."""
        self._program, self._folder, self._content_db = str(program), folder, content_db.absolute()
        self.environment = environment(place, environ)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / CONFIGURATION).write_text(configuration(place, self._content_db, habits), encoding="utf-8")

    def start(self, *inherited: int) -> subprocess.Popen[bytes]:
        """Replicate until the process ends, which keeps the file descriptors `inherited`.

        Raises BackupError when the log has to be emptied first, and somebody reads it for too long.
        """
        if self._content_db.exists() and not self._goes_on():
            self._begin_anew()
        return subprocess.Popen(
            self._command("replicate"), cwd=self._folder, env=self.environment, stdin=subprocess.DEVNULL,
            pass_fds=inherited, umask=PRIVATE,
        )  # fmt: skip

    def _goes_on(self) -> bool:
        """Whether Litestream will find all that it has not sent: the log is the one that it sent last, or is empty.

        Of a log that was begun anew while none ran, it may send what is new and miss the end of the old one: it takes
        it for its own as long as the last page that it sent is still there. What is restored then is torn.
        """
        log = _beginning(self._content_db.with_name(f"{self._content_db.name}-wal"))
        sent = sorted(self._content_db.with_name(f".{self._content_db.name}-litestream").glob("ltx/0/*.ltx"))
        return bool(sent) and (not log or _beginning(sent[-1])[_SALTS_IN_LTX] == log[_SALTS_IN_LOG])

    def _begin_anew(self) -> None:
        """Have Litestream begin with all of the database: the log is cut short, and its first page is like no other."""
        connection: Any = database.connect(self._content_db).conn
        try:
            until = time.monotonic() + EMPTYING_SECONDS
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > until:
                    raise BackupError("the write-ahead log is being read for too long to begin a backup; try again")
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('backup_begun', ?)", (uuid4().hex,))
        except database.SqliteError as error:
            raise BackupError(f"cannot begin a backup of {self._content_db}: {error}") from error
        finally:
            connection.close()

    def restore(self, output: Path, at: datetime | None = None) -> None:
        """Write the newest database that the bucket has (or that of the moment `at`) to `output`, checked by SQLite.

        Raises BackupError when there is none, or when it cannot be read.
        """
        when = [] if at is None else ["-timestamp", at.astimezone(UTC).isoformat().replace("+00:00", "Z")]
        options = ("-integrity-check", "full", *when, "-o", str(output.absolute()))
        self._run(self._command("restore", *options, str(self._content_db)), "the backup cannot be restored")

    def held(self) -> Held | None:
        """What the bucket has, by its listing; None when it has nothing."""
        said = self._run(
            self._command("ltx", "-level", "all", "-json", str(self._content_db)),
            "the backup cannot be listed",
            LISTING_SECONDS,
        )
        files = msgspec.json.decode(said or b"[]", type=list[_File] | None) or []
        if not files:
            return None
        moments = [file.timestamp for file in files]
        return Held(oldest=min(moments), newest=max(moments), files=len(files), bytes=sum(file.size for file in files))

    def synced_at(self) -> datetime | None:
        """When all that was written was last in the bucket; None when Litestream does not run, or has not yet sent.

        It says when it last looked and found nothing left to send, so an idle site has no lag. It looks at the database
        once a second and sends in between, so what was written in the second before may not be there yet.
        """
        try:
            said = self._run([self._program, "list", "-json", "-socket", SOCKET, "-timeout", "2"], "")
            listed = msgspec.json.decode(said, type=_List).databases
        except (BackupError, msgspec.DecodeError):
            return None
        return listed[0].last_sync_at if listed else None

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [self._program, name, "-no-expand-env", "-config", CONFIGURATION, *arguments]

    def _run(self, command: Sequence[str], trouble: str, seconds: float | None = None) -> bytes:
        try:
            done = subprocess.run(
                command, cwd=self._folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                check=False, umask=PRIVATE, timeout=seconds,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise BackupError(f"{trouble}: its store did not answer within {seconds:,.0f} s") from error
        except OSError as error:
            raise BackupError(f"cannot start {command[0]}: {error}") from error
        if done.returncode:
            raise BackupError(f"{trouble}: {_reason(done.stderr)}")
        return done.stdout


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; none when it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(_SALTS_IN_LTX.stop)
    except FileNotFoundError:
        return b""


def _reason(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("Error: ")[:400] if lines else "litestream does not say why"


def _quoted(value: Any) -> str:
    """A string as YAML has it; JSON's strings are."""
    return msgspec.json.encode(value).decode()
