"""The application's way to the database: another process writes it (`api.scribing`), so that both work at once.

Operations go to it as they are, by pickle: functions of our modules with their arguments, so nothing that is made
within another function. It does them in the order they were asked for. Each answer comes after the commit that it tells
of.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from api.scribing import AT_ONCE, READY, Frames, Told, framed
from publisher.content.writer import SYSTEM, Answered, Transaction, answering
from publisher.errors import PublisherError, StoreError

T = TypeVar("T")
START_SECONDS = 60.0
END_SECONDS = 30.0
TOGETHER = 4
"""Operations that are sent as one piece at most: a call of the kernel for each, and a commit for the first alone, take
more than waiting for the next three of a crowd. One that comes alone goes at once."""
_LOST = "what writes the store ended amid this: it may be written or not; look before you send it again"
_CLOSING = "the store is closing; try again after the restart"


class Scribe:
    """Has content.db written by a process of its own. Made and used on an event loop; `submit` in any thread.

    A process that ends by itself is started anew with the next operation; what waited for it is answered with
    StoreError, for nobody knows how far it came.
    """

    program = "api.scribing"

    def __init__(
        self, database: Path, *, hint: Path, imports: str, measure: Callable[[int, float], None] = lambda *_: None
    ) -> None:
        """`hint` is where the worker is told of commits, `imports` the module that knows all operations; `measure` is
        told how many operations a commit answered and how many seconds it took.

        Raises PublisherError when the database cannot be opened, StoreError when the process does not start.
        """
        self._argv = [str(database), str(hint), imports]
        self._measure, self._loop = measure, asyncio.get_running_loop()
        self._numbers = itertools.count(READY + 1)
        self._waiting: dict[int, Answered] = {}
        self._unsent, self._held, self._is_crowd = bytearray(), 0, False
        self._is_closing = self._is_full = False
        self._idle: Future[None] | None = None
        self._line: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._start()
        self._await_ready()

    @property
    def waiting(self) -> int:
        """How many operations are not answered yet."""
        return len(self._waiting)

    def hand_in(
        self, operation: Callable[[Transaction], object], answered: Answered, *, actor: str, request_id: str
    ) -> None:
        """Ask for `operation`; `answered` is called on the loop after the commit is on disk."""
        self._send(pickle.dumps((operation, actor, request_id), pickle.HIGHEST_PROTOCOL), answered)

    def submit(self, operation: Callable[[Transaction], T], *, actor: str = SYSTEM, request_id: str = "") -> Future[T]:
        """Ask for `operation` from any thread; the future is set on the loop after the commit is on disk."""
        future: Future[T] = Future()
        said = pickle.dumps((operation, actor, request_id), pickle.HIGHEST_PROTOCOL)
        self._loop.call_soon_threadsafe(self._send_for, said, future)
        return future

    def run(self, operation: Callable[[Transaction], T], *, actor: str = SYSTEM, request_id: str = "") -> T:
        """`submit` and wait; never on the loop, which would wait for itself."""
        return self.submit(operation, actor=actor, request_id=request_id).result()

    def close(self) -> None:
        """Have everything answered that was asked for, and end the process; in a thread beside the loop.

        One that does not answer in time, as when its disk hangs, is ended like one that was lost.
        """
        idle: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._close, idle)
        try:
            idle.result(END_SECONDS)
        except TimeoutError:
            self._loop.call_soon_threadsafe(self._lose)
            idle.result()
        self._bury(END_SECONDS)

    def _close(self, idle: Future[None]) -> None:
        self._is_closing, self._idle = True, idle
        self._rest()

    def _rest(self) -> None:
        """Hang up once nothing is to be answered any more."""
        if self._idle is not None and not self._waiting:
            self._hang_up()
            self._idle.set_result(None)
            self._idle = None

    def _send_for(self, said: bytes, future: Future[T]) -> None:
        if future.set_running_or_notify_cancel():
            try:
                self._send(said, answering(future))
            except PublisherError as error:
                future.set_exception(error)

    def _send(self, said: bytes, answered: Answered) -> None:
        if self._is_closing:
            raise StoreError(_CLOSING)
        if self._line is None:
            self._start()
        number = next(self._numbers)
        self._waiting[number] = answered
        self._unsent += framed(number, said)
        if self._is_full:  # it goes when the socket takes more
            return
        self._held += 1
        if self._held == TOGETHER or not self._is_crowd:
            self._flush()
        elif self._held == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send as much as the socket takes; the rest when it takes more."""
        line, self._held = self._line, 0
        if line is None or not self._unsent:
            return
        try:
            sent = line.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it is gone, which reading tells
        del self._unsent[:sent]
        if bool(self._unsent) != self._is_full:
            self._is_full = bool(self._unsent)
            if self._is_full:
                self._loop.add_writer(line, self._flush)
            else:
                self._loop.remove_writer(line)

    def _read(self) -> None:
        assert self._line is not None
        try:
            came = self._line.recv(AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not came:
            self._lose()
            return
        try:
            messages = [pickle.loads(said) for _, said in self._frames.take(came)]  # noqa: S301 — from our own process
        except Exception:  # what it says is not understood: whom it answers is not known either
            self._lose()
            return
        for told in messages:
            self._tell(told)
        self._rest()

    def _tell(self, told: Told | PublisherError | None) -> None:
        if not isinstance(told, tuple):
            return  # it began, or it says why it ends: then it does
        answers, seconds = told
        self._is_crowd = len(answers) > 1
        if seconds is not None:
            self._measure(len(answers), seconds)
        for number, answer, refusal in answers:
            self._waiting.pop(number)(answer, refusal)

    def _lose(self) -> None:
        """The process ended: nobody knows what it did of what was asked for."""
        self._hang_up()
        self._bury(0)
        self._unsent.clear()
        lost, self._waiting = self._waiting, {}
        for answered in lost.values():
            answered(None, StoreError(_LOST))
        self._rest()

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        self._is_full = False
        if line is not None:
            self._loop.remove_reader(line)
            self._loop.remove_writer(line)
            line.close()

    def _bury(self, seconds: float) -> None:
        """Have the process ended, by force after so many seconds."""
        child, self._child = self._child, None
        if child is not None:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start(self) -> None:
        """Start the process. Raises StoreError when the system has no room for one more."""
        try:
            self._line, self._child = self._started()
        except OSError as error:
            raise StoreError(f"what writes the store cannot be started: {error}") from error
        self._frames = Frames()
        self._line.setblocking(False)
        self._loop.add_reader(self._line, self._read)

    def _started(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            argv = [sys.executable, "-m", self.program, str(theirs.fileno()), *self._argv]
            try:
                child = subprocess.Popen(argv, pass_fds=(theirs.fileno(),), env=environ, stdin=subprocess.DEVNULL)
            except OSError:
                ours.close()
                raise
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            ours.setsockopt(socket.SOL_SOCKET, option, AT_ONCE)
        return ours, child

    def _await_ready(self) -> None:
        """Wait for the first message of the first process. Raises what it says."""
        assert self._line is not None
        self._line.settimeout(START_SECONDS)
        said = list[tuple[int, bytes]]()
        try:
            while not said:
                came = self._line.recv(AT_ONCE)
                if not came:
                    break
                said = self._frames.take(came)
        except TimeoutError:
            pass
        failure: Any = StoreError("what writes the store did not start; its last words are on standard error")
        if said:
            failure = pickle.loads(said[0][1])  # noqa: S301 — from our own process
        if failure is not None:
            self._hang_up()
            self._bury(END_SECONDS)
            raise failure
        self._line.setblocking(False)
