"""What the worker does when it is asked to: rebuild the site, export it into a folder. One at a time.

A rebuild is a build, so publishing waits for it. An export only reads, in a thread of its own with its own connections,
and publishing goes on beside it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from publisher import damage
from publisher.builder import Builder
from publisher.delivery import export as exporting
from publisher.delivery.journal import is_damage
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.errors import PublisherError
from publisher.jobs import OF_THE_WORKER, Job, Jobs, Progress, settle
from publisher.logs import fields

FOLDER = "export"
"""Where an export goes, in the data directory: the last one, brought up to date by the next."""

logger = logging.getLogger("publisher.errands")


class Errands:
    """Does the jobs of the worker; `turn` is called between its rounds, by one thread."""

    def __init__(self, jobs: Jobs, builder: Builder, *, data_dir: Path | str, ledger_db: Path, build_dir: Path) -> None:
        self._jobs, self._builder = jobs, builder
        self._folder, self._ledger_db, self._build_dir = Path(data_dir, FOLDER), ledger_db, build_dir
        self._stopping = threading.Event()
        self._exporting: threading.Thread | None = None
        self._said = ""
        jobs.recover(OF_THE_WORKER)

    def turn(self, is_stopping: Callable[[], bool] = lambda: False) -> bool:
        """Do a rebuild that waits, or begin an export; returns whether there may be a new release.

        What fails is the job, never the worker.
        """
        if self._exporting is not None and self._exporting.is_alive():
            return False
        try:
            job = self._jobs.take(OF_THE_WORKER)
        except PublisherError as error:
            self._tell(error)
            return False
        self._said = ""
        if job is None:
            return False
        if job.kind == "rebuild":
            self._do(job, self._rebuild, is_stopping)
            return True
        self._exporting = threading.Thread(
            target=self._do, args=(job, self._export, self._stopping.is_set), name="export", daemon=True
        )
        self._exporting.start()
        return False

    def close(self) -> None:
        """Let an export that is under way wait for the next worker."""
        self._stopping.set()
        if self._exporting is not None:
            self._exporting.join()

    def _tell(self, error: PublisherError) -> None:
        """Say it once, not at every turn; what to do about a damaged file too: publishing goes on without it."""
        if str(error) != self._said:
            what = (
                f"; {Path(self._folder.parent, damage.JOBS)}: {damage.ADVICE[damage.JOBS]}" if is_damage(error) else ""
            )
            logger.warning("cannot look for jobs: %s%s", error, what)
        self._said = str(error)

    def _do(self, job: Job, work: Callable[[Progress], dict[str, Any]], is_stopping: Callable[[], bool]) -> None:
        about = fields(job=job.id, request_id=job.request_id)
        try:
            receipt = work(Progress(self._jobs, job, is_stopping))
            self._jobs.finish(job.id, "done", receipt)
            logger.info("the %s is done", job.kind, extra=about)
        except Exception as error:  # whatever a job does, the worker goes on
            unforeseen = None if isinstance(error, PublisherError) else error
            logger.warning("the %s ended early: %s", job.kind, error, extra=about, exc_info=unforeseen)
            with suppress(PublisherError):
                settle(self._jobs, job, error)

    def _rebuild(self, progress: Progress) -> dict[str, Any]:
        built = self._builder.build(clean=True, on_progress=progress)
        release = None if built.release is None else built.release.number
        return {"looked_at": built.seen, "rendered": built.rendered, "removed": built.removed, "release": release}

    def _export(self, progress: Progress) -> dict[str, Any]:
        ledger, objects = Ledger(self._ledger_db), Objects(self._build_dir)
        try:
            exported = exporting.export(ledger, objects, self._folder, progress)
        finally:
            objects.close()
            ledger.close()
        written, removed = exported.puts, exported.deletes
        return {"folder": FOLDER, "written": written, "removed": removed, "bytes": exported.bytes}
