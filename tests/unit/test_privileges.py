"""As root a command goes on as the owner of its data directory, where there is one and he can."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from publisher.privileges import Decision, decide

OWNER = 10001


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """A data directory of a user, with a folder that he may enter, and one that he may not."""
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, OWNER, OWNER)
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "shut").mkdir(mode=0o700)
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_mode & 0o005 != 0o005:
            above.chmod(above.stat().st_mode | 0o005)
    return data


def test_whoever_is_not_root_stays_who_he_is(tmp_path: Path) -> None:
    assert decide(1000, tmp_path, ()) == Decision("stay")


def test_root_becomes_the_owner_who_can_get_at_the_program(owned: Path) -> None:
    became = decide(0, owned, [owned.parent / "open"])
    assert (became.act, became.uid, became.gid) == ("become", OWNER, OWNER)


def test_root_stays_where_the_owner_may_not_listen(owned: Path) -> None:
    assert decide(0, owned, (), (8080, 0)).act == "become"
    decision = decide(0, owned, (), (8080, 80))
    assert (decision.act, decision.why) == ("warn", "goes on as root, who alone may listen on port 80")


def test_root_stays_and_says_why_where_the_owner_cannot_or_is_root(owned: Path) -> None:
    shut = decide(0, owned, [owned.parent / "shut"])
    assert (shut.act, "may not enter" in shut.why) == ("warn", True)
    for folder in (owned.parent / "open", owned / "new" / "deeper"):
        assert (decide(0, folder, ()).act, "chown" in decide(0, folder, ()).why) == ("warn", True)


def test_the_whole_stack_looks_at_the_directory_that_it_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        argv = [
            sys.executable, "-m", "publisher", "up", "--data-dir", str(tmp_path / "told"),
            "--edge-port", str(taken.getsockname()[1]),
        ]  # fmt: skip
        ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1, ran.stderr
    is_root = os.geteuid() == 0
    assert (f"runs as root, which it need not: give {tmp_path / 'told'} to another user" in ran.stderr) == is_root
    assert str(tmp_path / "data") not in ran.stderr
