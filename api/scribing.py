"""The process that writes: it does what the application asks over a socket, in groups, each with one commit.

Python runs one thread of a process at a time, so that a thread that writes and an event loop that answers take turns;
as processes they work at once. Started by `api.scribe` as `python -m api.scribing`, it ends when the application is
gone: what was not answered then is either in the database whole or not at all.
"""

from __future__ import annotations

import gc
import importlib
import pickle
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from publisher.content.group import MOST, Answer, Asked, Book
from publisher.content.hint import Hint
from publisher.errors import PublisherError, StoreError

HEAD = struct.Struct("!IQ")
"""Before each message: the bytes of what follows, and a number that an answer shares with what it answers."""
READY = 0
"""The number of the first message of this process: None when it is ready, or what keeps it."""
AT_ONCE = 1 << 20
Told = tuple[list[tuple[int, Any, BaseException | None]], float | None]
"""The answers of a commit, each with the number of what it answers, and its seconds when anything was written."""


def framed(number: int, said: bytes) -> bytes:
    """A message as it goes over the socket."""
    return HEAD.pack(len(said), number) + said


class Frames:
    """Messages out of the bytes of a socket, which may come in any pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, came: bytes) -> list[tuple[int, bytes]]:
        """The messages that are whole now, with their numbers."""
        held, at, whole = self._held, 0, list[tuple[int, bytes]]()
        held += came
        while len(held) - at >= HEAD.size:
            size, number = HEAD.unpack_from(held, at)
            start = at + HEAD.size
            if len(held) - start < size:
                break
            at = start + size
            whole.append((number, bytes(memoryview(held)[start:at])))
        if at:
            del held[:at]
        return whole


def main(descriptor: int, database: str, hint: str, imports: str) -> None:
    """Serve the socket with this descriptor; `imports` is a module whose import brings all that operations need."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all: the application ends first, and then we do
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as line, suppress(ConnectionError):
        try:
            book = Book(database)
        except PublisherError as error:
            line.sendall(framed(READY, pickle.dumps(error)))
            return
        line.sendall(framed(READY, pickle.dumps(None)))
        importlib.import_module(imports)  # while the application goes on to start
        gc.collect()
        gc.freeze()
        wake = Hint(hint)
        try:
            for asked in _groups(line):
                _write(line, book, wake, asked)
        finally:
            book.close()


def _groups(line: socket.socket) -> Iterator[list[tuple[int, bytes]]]:
    """What was asked for meanwhile, again and again, until nobody asks any more."""
    frames = Frames()
    while came := line.recv(AT_ONCE):
        asked = frames.take(came)
        while len(asked) < MOST:
            try:
                came = line.recv(AT_ONCE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not came:
                return
            asked += frames.take(came)
        for start in range(0, len(asked), MOST):
            yield asked[start : start + MOST]


def _write(line: socket.socket, book: Book, wake: Hint, asked: Sequence[tuple[int, bytes]]) -> None:
    numbers, group, spoilt = list[int](), list[Asked](), list[tuple[int, Any, BaseException | None]]()
    for number, said in asked:
        try:
            operation = Asked(*pickle.loads(said))  # noqa: S301 — from our own application
        except Exception as error:
            spoilt.append((number, None, StoreError(f"the writer cannot read what it is to do: {error}")))
        else:
            numbers.append(number)
            group.append(operation)
    done = book.commit(group)
    if done.wrote:
        wake()
    answers = spoilt + [(number, *_told(answer)) for number, answer in zip(numbers, done.answers, strict=True)]
    line.sendall(framed(READY, _dumped((answers, done.seconds if done.wrote else None))))
    book.checkpoint()


def _told(answer: Answer) -> Answer:
    """An answer as it can be told: what went wrong here unforeseen says where."""
    refusal = answer[1]
    if refusal is not None and not isinstance(refusal, PublisherError):
        refusal.add_note("".join(traceback.format_exception(refusal)))
    return answer


def _dumped(told: Told) -> bytes:
    try:
        return pickle.dumps(told, pickle.HIGHEST_PROTOCOL)
    except Exception:
        return pickle.dumps((list(map(_plain, told[0])), told[1]), pickle.HIGHEST_PROTOCOL)


def _plain(told: tuple[int, Any, BaseException | None]) -> tuple[int, Any, BaseException | None]:
    """An answer, or that it cannot be handed over."""
    try:
        pickle.dumps(told)
    except Exception as error:
        return told[0], None, StoreError(f"the writer cannot hand over its answer: {error}")
    return told


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
