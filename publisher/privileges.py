"""Whose rights a command has: started as root, it goes on as the owner of the data directory.

Files that root left in it would be closed to the worker that runs as that owner; and what speaks to the network needs
no rights of root. Where the owner is root there is nobody to become, which is said, and the command goes on.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

ROOT = 0
OPEN_PORTS = 1024
"""From here on anybody may listen."""


class Decision(msgspec.Struct, frozen=True):
    """What to do: `become` a user and group, `stay`, or `warn` and stay; `why` is for people."""

    act: Literal["become", "stay", "warn"]
    uid: int = ROOT
    gid: int = ROOT
    why: str = ""


def decide(uid: int, data_dir: Path, needed: Iterable[Path], ports: Iterable[int] = ()) -> Decision:
    """Whether a process of `uid` should become the owner of `data_dir`, who must be able to enter what is `needed` and
    to listen on `ports`.
    """
    if uid != ROOT:
        return Decision("stay")
    there = next((path for path in (data_dir, *data_dir.parents) if path.exists()), data_dir)
    owner = there.stat()
    if there != data_dir or owner.st_uid == ROOT:
        return Decision(
            "warn",
            why=f"runs as root, which it need not: give {data_dir} to another user (`chown -R`), and it goes on as that"
            " user",
        )
    shut = [path for path in needed if not _may_enter(path, owner.st_uid, owner.st_gid)]
    closed = [port for port in ports if 0 < port < OPEN_PORTS]
    if closed:
        return Decision("warn", why=f"goes on as root, who alone may listen on port {closed[0]}")
    if shut:
        return Decision("warn", why=f"this goes on as root, for the owner of {data_dir} may not enter {shut[0]}")
    return Decision("become", owner.st_uid, owner.st_gid, f"goes on as the owner of {data_dir} (user {owner.st_uid})")


def act_as_owner(data_dir: Path, ports: Iterable[int] = ()) -> Decision:
    """Become the owner of `data_dir`, for good, if this is root and can; returns what was decided.

    `ports` are those that will be listened on.
    """
    needed = (Path(sys.executable).resolve().parent, Path(sys.prefix), Path(__file__).parent)
    decision = decide(os.geteuid(), data_dir.absolute(), needed, ports)
    if decision.act == "become":
        _become(decision.uid, decision.gid)
    return decision


def _become(uid: int, gid: int) -> None:
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        os.setgroups([])
    else:
        os.initgroups(account.pw_name, gid)
        os.environ |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    os.setgid(gid)
    os.setuid(uid)


def _may_enter(path: Path, uid: int, gid: int) -> bool:
    """Whether a user may go into a folder, by the modes of all that lead to it."""
    for one in (path, *path.parents):
        held = one.stat()
        needed = stat.S_IXUSR if held.st_uid == uid else stat.S_IXGRP if held.st_gid == gid else stat.S_IXOTH
        if not held.st_mode & needed:
            return False
    return True
