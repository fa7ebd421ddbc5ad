"""Imports: rows of JSON become reviews, one import after the other, in a thread of its own.

The rows lie in a file by then, so an import never waits for its client, whether that sends or reads slowly. What became
of each goes into another file, which the answer is read from. While an import runs it holds the worker's builds, so
that all it brings is published in one release. Rows are written many to a commit, and so few at once that other writes
pass between them.

An import whose process ended is done again from its first row by the next one: a row without an id gets one that is
made from the job and the row's number, so no row is written twice. Rows are removed when their job has ended, wherever
it was ended; those of a client whose process died before it had all are removed by the next process.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from typing import IO
from uuid import UUID

import msgspec

from api import editing, problems
from api.auth import Principal
from api.body import Reader
from api.import_files import Files, Readers
from api.scribe import Scribe
from api.wire import Addresses, Standing, chosen
from api.wire_jobs import ImportedReview, ImportEnd, RowAnswer, answer
from publisher.content import editors, hold, log
from publisher.content.model import Text
from publisher.content.writer import Transaction
from publisher.errors import ForbiddenError, InvalidError, NotFoundError, PublisherError, StoreError
from publisher.jobs import Job, Jobs, Progress, settle
from publisher.logs import fields

IN_FLIGHT = 64
"""Rows that wait for their commit at most, and the bytes of them."""
IN_FLIGHT_BYTES = 4_000_000
BATCH = 64
"""Rows after which answers are handed on and cancelling is heard."""
WAITING = 8
"""Imports that may wait for their turn."""
LOOK_SECONDS = 1.0

BLANK = b""

Outcome = tuple[Standing, bool]
logger = logging.getLogger("api.importing")


class Tally(msgspec.Struct):
    """What an import did so far."""

    rows: int = 0
    created: int = 0
    unchanged: int = 0
    refused: int = 0
    change: int = 0


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What an import works with: `render` and `wake` are the application's, `largest` is the most bytes of a row."""

    writer: Scribe
    render: Callable[[str], Text]
    wake: Callable[[], None]
    addresses: Addresses
    language: str
    largest: int


class Importer:
    """Does the imports of this process, one after the other."""

    def __init__(self, jobs: Jobs, files: Files, desk: Desk, readers: Readers) -> None:
        self._jobs, self._files, self._desk, self._readers = jobs, files, desk, readers
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._reader = Reader(ImportedReview)
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._alone = ExitStack()
        if self._alone.enter_context(hold.held(files.folder / "process.lock", patience=0)):
            jobs.recover(("import",))
            files.remove(*files.folder.glob("*.answers"))
            files.remove(*(files.rows(job_id) for job_id in files.kept() if not self._is_wanted(job_id)))
        self._thread = threading.Thread(target=self._work, name="importer", daemon=True)
        self._thread.start()

    @property
    def is_stopping(self) -> bool:
        """Whether no import will begin any more."""
        return self._stopping.is_set()

    def look(self) -> None:
        """There may be an import to do, or one that was cancelled."""
        self._woken.set()

    def stop(self) -> None:
        """Stop soon; an import that is under way goes on with the next process."""
        self._stopping.set()
        self.look()

    def close(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        self._thread.join()
        self._alone.close()

    def _work(self) -> None:
        while not self._stopping.is_set():
            job = None
            with suppress(PublisherError, OSError):  # what cannot be read or removed now is so at the next look
                self._close_cancelled()
            with suppress(PublisherError):
                job = self._jobs.take(("import",))
            if job is not None:
                self._do_or_log(job)
                continue
            self._woken.wait(LOOK_SECONDS)
            self._woken.clear()
        self._readers.close()

    def _is_wanted(self, job_id: str) -> bool:
        """Whether the rows of a job will be asked for: there is such a job, and it has not ended."""
        try:
            return not self._jobs.get(job_id).is_finished
        except NotFoundError:
            return False

    def _close_cancelled(self) -> None:
        """What was cancelled before its turn came, here or elsewhere: answer who waits for it, and remove its rows."""
        for job in self._finished(self._readers.waiting()):
            self._end(job)
        for job in self._finished(self._files.kept()):
            self._files.remove(self._files.rows(job.id))

    def _finished(self, job_ids: Iterable[str]) -> Iterator[Job]:
        for job_id in job_ids:
            with suppress(NotFoundError):  # its rows are still coming
                job = self._jobs.get(job_id)
                if job.is_finished:
                    yield job

    def _do_or_log(self, job: Job) -> None:
        """Do it; where even its end cannot be noted, the next process does it again."""
        try:
            self._do(job)
        except Exception:
            about = fields(job=job.id, request_id=job.request_id)
            logger.exception("the end of an import cannot be noted", extra=about)
            self._readers.tell(job.id, has_ended=True)

    def _do(self, job: Job) -> None:
        about, tally = fields(job=job.id, request_id=job.request_id), Tally()
        try:
            self._bring_in(job, tally)
            ended = self._jobs.finish(job.id, "done", msgspec.to_builtins(tally))
        except Exception as error:  # whatever an import does, the next goes on
            unforeseen = None if isinstance(error, PublisherError) else error
            logger.warning("an import ended early: %s", error, extra=about, exc_info=unforeseen)
            ended = settle(self._jobs, job, error, msgspec.to_builtins(tally))
        finally:
            self._desk.wake()
        logger.info("an import is %s: %d rows", ended.state, tally.rows, extra=about)
        self._end(ended)

    def _end(self, job: Job) -> None:
        """Write the last line, and remove the rows; an import that goes on with the next process keeps them."""
        answers = self._files.answers(job.id)
        if job.is_finished:
            if self._readers.reads(job.id):
                with suppress(OSError), answers.open("ab") as file:
                    file.write(msgspec.json.encode(ImportEnd(job=answer(job))) + b"\n")
            self._files.remove(self._files.rows(job.id))
        if not self._readers.reads(job.id):  # asked last: who leaves after this removes them
            self._files.remove(answers)
        self._readers.tell(job.id, has_ended=True)

    def _bring_in(self, job: Job, tally: Tally) -> None:
        """Write every row; JobStoppedError when it is to stop, StoreError when the store or the disk fails."""
        where, is_over = hold.path(self._files.folder.parent), partial(self._is_over, job)
        try:
            with (
                self._files.rows(job.id).open("rb") as file,
                self._files.answers(job.id).open("wb") as answers,
                hold.held(where, is_over=is_over),
            ):
                batch = Batch(self._desk, job, answers, tally)
                try:
                    self._each(job, batch, file)
                finally:
                    batch.settle_all()
                tally.change = self._desk.writer.run(log.reached)
        except OSError as error:
            raise StoreError(f"the rows cannot be read: {error.strerror}; send them again") from error

    def _is_over(self, job: Job) -> bool:
        """Whether there is no use in waiting for the turn of a job."""
        return self.is_stopping or self._jobs.get(job.id).is_cancelling

    def _each(self, job: Job, batch: Batch, file: IO[bytes]) -> None:
        progress = Progress(self._jobs, job, self._stopping.is_set)
        asker = partial(_principal, editor_id=job.asked_by)
        who = self._desk.writer.run(asker)
        for number, line in rows_of(file, self._desk.largest):
            if number % BATCH == 1:
                batch.flush()
                progress(number - 1, max(job.total, number))
                who = self._desk.writer.run(asker)
                self._readers.tell(job.id, has_ended=False)
            if line != BLANK:
                batch.begin(number, line, who, self._reader)
        batch.settle_all()
        progress(max(job.total, 1), max(job.total, 1))


class Batch:
    """The rows that are being written, in order."""

    def __init__(self, desk: Desk, job: Job, answers: IO[bytes], tally: Tally) -> None:
        self._desk, self._job, self._answers, self._tally = desk, job, answers, tally
        self._pending: deque[tuple[int, int, Future[Outcome] | Exception]] = deque()
        self._bytes = 0

    def begin(self, number: int, line: bytes | None, who: Principal, reader: Reader[ImportedReview]) -> None:
        """Have a row written; None stands for one that is too long."""
        size = len(line or b"")
        self._pending.append((number, size, self._begun(number, line, who, reader)))
        self._bytes += size
        while len(self._pending) > IN_FLIGHT or self._bytes > IN_FLIGHT_BYTES:
            self._settle()

    def settle_all(self) -> None:
        """Wait for every row that was begun, and answer it."""
        while self._pending:
            self._settle()
        self.flush()

    def flush(self) -> None:
        """Hand the answers on."""
        self._answers.flush()

    def _begun(
        self, number: int, line: bytes | None, who: Principal, reader: Reader[ImportedReview]
    ) -> Future[Outcome] | Exception:
        try:
            if line is None:
                raise InvalidError("$", f"the row is longer than {self._desk.largest} bytes")
            said = reader.read(line)
            product = chosen(said)
            assert product is not None
            operation = partial(
                editing.bring_in, who=who, said=said, review_id=said.id or row_id(self._job, number),
                product=product, body=self._desk.render(said.content), language=self._desk.language,
            )  # fmt: skip
            return self._desk.writer.submit(operation, actor=who.editor_id, request_id=self._job.request_id)
        except Exception as error:  # a bad row does not stop the others
            return error

    def _settle(self) -> None:
        number, size, begun = self._pending.popleft()
        self._bytes -= size
        try:
            if isinstance(begun, Exception):
                raise begun
            standing, is_new = begun.result()
        except Exception as error:
            if type(error) is StoreError:
                raise
            said = self._refused(number, error)
            self._tally.refused += 1
        else:
            review = standing.review
            said = RowAnswer(
                row=number, status=201 if is_new else 200, id=review.id, version=review.version,
                url=self._desk.addresses.page(review.slug),
            )  # fmt: skip
            self._tally.created += is_new
            self._tally.unchanged += not is_new
        self._tally.rows += 1
        self._answers.write(msgspec.json.encode(said) + b"\n")

    def _refused(self, number: int, error: Exception) -> RowAnswer:
        request_id = self._job.request_id
        told = problems.described(error, request_id) if isinstance(error, PublisherError) else None
        if told is None:
            logger.error("a row failed", exc_info=error, extra=fields(job=self._job.id, request_id=request_id))
            told = problems.of_service(request_id)
        return RowAnswer(row=number, status=told.status, problem=told)


def rows_of(file: IO[bytes], largest: int) -> Iterator[tuple[int, bytes | None]]:
    """The rows of a file with their numbers, from 1; None is one that is too long. A byte order mark is passed over."""
    number = 0
    while line := file.readline(largest + 1):
        number += 1
        if len(line) > largest and not line.endswith(b"\n"):
            while (rest := file.readline(largest)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, (line.removeprefix(BOM_UTF8) if number == 1 else line).strip()


def row_id(job: Job, number: int) -> str:
    """The UUIDv7 of a row that has none: always the same, in the order of the rows, and no other job's."""
    milliseconds = int(job.created_at.timestamp() * 1000) & (1 << 48) - 1
    chance = int.from_bytes(hashlib.sha256(f"{job.id} {number}".encode()).digest()[:6]) & (1 << 42) - 1
    tail = (number & (1 << 32) - 1) << 42 | chance
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (1 << 62) - 1))


def _principal(tx: Transaction, editor_id: str) -> Principal:
    """Who asked for an import, as they stand now."""
    editor = editors.get(tx.db, editor_id)
    if editor.disabled:
        raise ForbiddenError("the account that asked for this import is closed")
    return Principal(editor.id, editor.role)
