"""A disk that loses power: what system calls a process made to its files, and what may be left of them at any moment.

`strace` records every write, truncation and sync of a real process, with what was written. What was synced before the
cut is there; of each later write nothing, all, or some of its sectors: disks and kernels promise no order between two
syncs. Files are made and removed at once (journaling file systems keep that in order).
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

SECTOR = 512
CALLS = "write,pwrite64,pwritev,ftruncate,fsync,fdatasync,unlink"
Fate = Literal["lost", "kept", "torn", "mixed"]
FATES: tuple[Fate, ...] = ("lost", "kept", "torn", "mixed")
"""What becomes of writes that were not synced: of all of them alike, or of each another."""
_DATABASE = re.compile(r"\.db(-wal|-journal)?$")
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\(\d+<(?P<path>[^>]*)>(?:, )?(?P<rest>.*)$")
_REMOVED = re.compile(r'^\d+ +unlink\("(?P<path>[^"]*)"')
_RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>")
_WRITTEN = re.compile(r'^"(?P<hex>(?:\\x[0-9a-f]{2})*)", (?P<size>\d+)(?:, (?P<at>\d+))?')


class Call(NamedTuple):
    """A call in the order in which calls began; a sync is `since` when its file's syncs count: where it began."""

    name: Literal["write", "say", "truncate", "sync", "remove"]
    path: str
    at: int = 0
    body: bytes = b""
    since: int = 0


def record(argv: Sequence[str], log: Path, folder: Path, said: Path) -> list[Call]:
    """Run a process, and tell what it did to the databases in `folder`; what it wrote to `said` are its words."""
    traced = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-xx",
        "-s",
        "200000",
        "--seccomp-bpf",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(log),
    ]
    subprocess.run([*traced, *argv], check=True, timeout=300)
    with log.open(encoding="ascii", errors="replace") as lines:
        return list(calls(lines, str(folder), str(said)))


def calls(lines: Iterator[str], folder: str, said: str) -> Iterator[Call]:
    """The calls of a log of strace that concern databases in `folder`, or `said`."""
    under_way: dict[str, tuple[str, int]] = {}
    number = 0
    for line in lines:
        call = _call(line, said, number, under_way)
        if call is not None and (call.path == said or (call.path.startswith(folder) and _DATABASE.search(call.path))):
            yield call
            number += 1


def _call(line: str, said: str, number: int, under_way: dict[str, tuple[str, int]]) -> Call | None:
    """What a line tells; a sync that did not end at once is kept in `under_way`, by its thread, until it does."""
    if found := _RESUMED.match(line):
        path, since = under_way.pop(found["pid"], ("", 0))
        return Call("sync", path, since=since)
    if found := _REMOVED.match(line):
        return Call("remove", _plain(found["path"]))
    found = _LINE.match(line)
    if found is None:
        return None
    path = _plain(found["path"])
    if found["call"] not in ("fsync", "fdatasync"):
        is_ours = path == said or _DATABASE.search(path)
        return _written(found["call"], path, found["rest"], said) if is_ours else None
    if "<unfinished" in line:
        under_way[found["pid"]] = (path, number)
        return None
    return Call("sync", path, since=number)


def _plain(path: str) -> str:
    """A path as strace gives it with -xx."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), path)


def _written(call: str, path: str, rest: str, said: str) -> Call:
    if call == "ftruncate":
        return Call("truncate", path, at=int(rest.split(")")[0].split(" ")[0]))
    found = _WRITTEN.match(rest)
    assert found is not None, f"{call} of {path}: {rest[:100]}"
    body = bytes.fromhex(found["hex"].replace("\\x", ""))
    assert len(body) == int(found["size"]), "strace cut what was written"
    if path == said:
        return Call("say", path, body=body)
    assert call == "pwrite64", f"{call} of {path}"
    return Call("write", path, at=int(found["at"]), body=body)


def left(
    begin: dict[str, bytes], calls: Sequence[Call], cut: int, chance: random.Random, fate: Fate
) -> dict[str, bytes]:
    """What the files hold after a loss of power before the call `cut`; they held `begin` before the first."""
    synced = {path: bytearray(body) for path, body in begin.items()}
    waiting: dict[str, list[tuple[int, Call]]] = {}
    for number, call in enumerate(calls[:cut]):
        if call.name == "sync":
            pending = waiting.pop(call.path, [])
            for began, one in pending:
                if began < call.since:
                    _apply(synced, one, one.body)
            waiting[call.path] = [(began, one) for began, one in pending if began >= call.since]
        elif call.name == "remove":
            synced.pop(call.path, None)
            waiting.pop(call.path, None)
        elif call.name != "say":
            waiting.setdefault(call.path, []).append((number, call))
            synced.setdefault(call.path, bytearray())
    for pending in waiting.values():
        for _, call in pending:
            _perhaps(synced, call, chance, chance.choice(FATES[:3]) if fate == "mixed" else fate)
    return {path: bytes(body) for path, body in synced.items()}


def _perhaps(files: dict[str, bytearray], call: Call, chance: random.Random, fate: Fate) -> None:
    if fate == "kept" or (fate == "torn" and call.name == "truncate" and chance.random() < 0.5):
        _apply(files, call, call.body)
    elif fate == "torn" and call.name == "write":
        for start in range(0, len(call.body), SECTOR):
            if chance.random() < 0.5:
                some = call.body[start : start + SECTOR]
                _apply(files, call._replace(at=call.at + start), some)


def _apply(files: dict[str, bytearray], call: Call, body: bytes) -> None:
    file = files[call.path]
    if call.name == "truncate":
        del file[call.at :]
        file.extend(bytes(call.at - len(file)))
        return
    if len(file) < call.at:
        file.extend(bytes(call.at - len(file)))
    file[call.at : call.at + len(body)] = body
