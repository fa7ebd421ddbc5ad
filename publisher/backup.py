"""Continuous backup: Litestream sends the content database to a bucket, the signing keys go there encrypted.

All else follows from these two: the ledger, the rendered site and the buckets of readers are made again.
"""

from __future__ import annotations

import fcntl
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from publisher import keys, recovery, sealing
from publisher.errors import BackupError, TargetError
from publisher.litestream import Habits, Held, Litestream, Place
from publisher.recovery import DATABASE, Advance, Proved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from publisher.delivery.s3 import S3

LOOK_SECONDS = 5.0
"""How often the keys and the progress of Litestream are looked at."""
FIRST_LOOK_SECONDS = 30.0
"""In which Litestream has looked at the database for the first time, whatever else it cannot do."""
GRACE_SECONDS = 4.0
"""What Litestream is given to send the last of it when it is to end."""
logger = logging.getLogger("publisher.backup")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the backup stands: what the bucket holds, and when all that was written was last in it.

    `lag_seconds` is None while no backup runs on this machine; `keys` says whether the bucket has the signing keys.
    """

    bucket: str
    held: Held | None
    synced_at: datetime | None
    lag_seconds: float | None
    keys: bool


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, in how many seconds, and how many signing keys with it (None: the bucket has none to give)."""

    proved: Proved
    keys: int | None
    download_seconds: float
    prove_seconds: float


class Backup:
    """The backup of a data directory in a bucket. `program` is Litestream's path, `environ` what it inherits."""

    def __init__(
        self,
        program: Path | str,
        place: Place,
        data_dir: Path | str,
        environ: Mapping[str, str],
        *,
        passphrase: str = "",
        habits: Habits = Habits(),  # noqa: B008 — frozen
    ) -> None:
        if not place.bucket:
            raise BackupError(
                "no bucket for backups is set: give BACKUP_BUCKET, or start `publisher up`, which has one"
            )
        self._place, self._passphrase = place, passphrase
        self._data_dir = Path(data_dir).absolute()
        self._home = self._data_dir / "backup"
        self._environ, self._habits, self._program = environ, habits, program

    def run(self, stop: threading.Event, report: Callable[[datetime | None], None]) -> None:
        """Replicate until `stop` is set; `report` is told every few seconds when all was last in the bucket.

        Goes on while the bucket is away. Raises BackupError when Litestream ends by itself, or runs already.
        """
        litestream = self._litestream(self._home)
        with _alone(self._home / "lock") as lock:
            with litestream.log_kept():
                process = litestream.start(lock.fileno())
                try:
                    with suppress(TargetError):  # when the store is away, it is made with the keys later
                        self._chest().ensure_bucket()
                    _wait_for_first_look(litestream, process, stop)
                except BaseException:
                    _end(process)
                    raise
            try:
                self._watch(litestream, process, stop, report)
            finally:
                _end(process)

    def keep_keys(self) -> bool:
        """Put the signing keys into the bucket, encrypted; False when there is no passphrase to encrypt them with."""
        chest = self._chest()
        chest.ensure_bucket()
        files = sealing.read(self._data_dir / "keys")
        if not self._passphrase or not files:
            return False
        chest.put(self._sealed, sealing.seal(files, self._passphrase), "application/octet-stream", "private, no-store")
        return True

    def restore(
        self, folder: Path, at: datetime | None = None, on_progress: Advance = lambda done, total: None
    ) -> Restored:
        """Bring the database (of the moment `at`) and the keys into `folder`, which must have none.

        The database takes its place only when it is proved; until then it lies beside it. Raises BackupError.
        """
        recovery.require_empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
        coming = folder / f"{DATABASE}.coming"
        recovery.remove(coming)
        began = time.monotonic()
        self._litestream(folder / "backup").restore(coming, at)
        downloaded = time.monotonic()
        try:
            proved = recovery.prove(coming, on_progress)
            kept = self._restore_keys(folder)
        except BaseException:
            recovery.remove(coming)
            raise
        recovery.take_place(coming, folder / DATABASE)
        done = time.monotonic()
        return Restored(proved=proved, keys=kept, download_seconds=downloaded - began, prove_seconds=done - downloaded)

    def status(self, now: datetime) -> Status:
        """How the backup stands, asked of the bucket and of Litestream; TargetError or BackupError if it cannot be."""
        litestream = self._litestream(self._home)
        synced, held = litestream.synced_at(), litestream.held()
        lag = None if synced is None else max((now - synced).total_seconds(), 0.0)
        has_keys = self._chest().get(self._sealed) is not None
        return Status(bucket=self._place.bucket, held=held, synced_at=synced, lag_seconds=lag, keys=has_keys)

    def _litestream(self, folder: Path) -> Litestream:
        content_db = self._data_dir / DATABASE
        return Litestream(self._program, folder, self._place, content_db, self._environ, self._habits)

    @property
    def _sealed(self) -> str:
        return f"{self._place.prefix}.keys"

    def _chest(self) -> S3:
        from publisher.delivery.s3 import S3  # 40 MB of libraries, which the watcher needs once

        place = self._place
        return S3(
            place.bucket, endpoint=place.endpoint, region=place.region, access_key=place.access_key,
            secret_key=place.secret_key, name="backup",
        )  # fmt: skip

    def _restore_keys(self, folder: Path) -> int | None:
        sealed = self._chest().get(self._sealed)
        if sealed is None:
            return None
        if not self._passphrase:
            raise BackupError("the backup has the signing keys, encrypted: give BACKUP_PASSPHRASE to open them")
        files = sealing.opened(sealed, self._passphrase)
        sealing.write(folder / "keys", files)
        return len(files)

    def _watch(
        self,
        litestream: Litestream,
        process: subprocess.Popen[bytes],
        stop: threading.Event,
        report: Callable[[datetime | None], None],
    ) -> None:
        kept: tuple[str, ...] | None = None
        while True:
            names = keys.names(self._data_dir / "keys")
            if names != kept:
                try:
                    self.keep_keys()
                    kept = names
                except TargetError as error:
                    logger.warning("the bucket of backups cannot be used, will try again: %s", error)
            report(litestream.synced_at())
            if stop.wait(LOOK_SECONDS):
                return
            if (code := process.poll()) is not None:
                raise BackupError(f"litestream ended with exit code {code}; what it wrote before says why")


@contextmanager
def _alone(path: Path) -> Iterator[IO[str]]:
    """The lock of a backup. Litestream inherits it, so none begins while an orphan of an earlier one lives."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"a backup of {path.parent.parent} runs already; there can be only one") from error
        yield lock


def _wait_for_first_look(litestream: Litestream, process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    """Return once Litestream has looked at the database, also when its store is away and it cannot say so."""
    until = time.monotonic() + FIRST_LOOK_SECONDS
    while litestream.synced_at() is None and process.poll() is None and time.monotonic() < until:
        if stop.wait(0.2):
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    process.kill()
    process.wait()
