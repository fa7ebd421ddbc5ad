"""Signing keys: rotated without a moment in which a valid token is refused, retired when no token needs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from api.auth import REFRESH_LIFE, Tokens
from api.keys import LOOK_SECONDS, Ring
from publisher import keys
from publisher.cli import main
from publisher.errors import ConflictError, NotFoundError, SettingsError, TokenError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Run = Callable[..., tuple[int, str]]
PATIENCE = keys.PICKED_UP + keys.LONGEST_LIFE


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.add(tmp_path / "keys", NOW)
    return tmp_path / "keys"


def test_a_newer_key_signs_though_the_clock_went_back(folder: Path) -> None:
    newer = keys.add(folder, NOW - timedelta(hours=1))
    assert keys.load(folder, NOW).kid == newer
    assert [key.signs for key in keys.listed(folder)] == [False, True]


def test_a_key_is_needed_until_the_last_token_it_signed_expired(folder: Path) -> None:
    (old,) = keys.listed(folder)
    new = keys.add(folder, NOW + timedelta(days=5))
    older, newer = keys.listed(folder)
    assert (older.kid, older.made_at, newer.kid) == (old.kid, NOW, new)
    assert older.needed_until == NOW + timedelta(days=5) + PATIENCE
    assert newer.needed_until is None
    assert keys.LONGEST_LIFE >= REFRESH_LIFE


def test_only_what_is_not_needed_is_retired(folder: Path) -> None:
    (old,) = keys.listed(folder)
    with pytest.raises(ConflictError, match="signs"):
        keys.retire(folder, NOW + timedelta(days=999), old.kid)
    new = keys.add(folder, NOW + timedelta(days=1))
    early = NOW + timedelta(days=1) + PATIENCE - timedelta(seconds=1)
    assert keys.retire(folder, early) == []
    with pytest.raises(ConflictError, match="may be valid until"):
        keys.retire(folder, early, old.kid)
    with pytest.raises(NotFoundError):
        keys.retire(folder, early, "nobody")
    assert keys.retire(folder, early + timedelta(seconds=1)) == [old.kid]
    assert [key.kid for key in keys.listed(folder)] == [new]


def test_a_compromised_key_goes_at_once_but_never_the_one_that_signs(folder: Path) -> None:
    (old,) = keys.listed(folder)
    with pytest.raises(ConflictError):
        keys.retire(folder, NOW, old.kid, compromised=True)
    keys.add(folder, NOW)
    assert keys.retire(folder, NOW, old.kid, compromised=True) == [old.kid]


def test_a_file_that_is_named_otherwise_is_said(folder: Path) -> None:
    (folder / "mine.pem").write_text("x")
    with pytest.raises(SettingsError, match=r"mine\.pem"):
        keys.listed(folder)


def test_a_running_server_takes_a_new_key_up(folder: Path) -> None:
    ticks = Ticks()
    ring = Ring(folder, clock=ticks)
    old = ring.newest()[0]
    new = keys.add(folder, NOW)
    assert ring.newest()[0] == old
    ticks.now += LOOK_SECONDS
    assert ring.newest()[0] == new
    assert [key["kid"] for key in ring.current().jwks()["keys"]] == [old, new]


def test_a_token_of_an_unknown_key_has_the_folder_looked_at(folder: Path) -> None:
    ring = Ring(folder, clock=Ticks())
    new = keys.add(folder, NOW)
    assert ring.find("nobody") is None
    assert ring.find(new) is not None


def test_tokens_outlive_the_rotation_and_end_with_their_key(folder: Path) -> None:
    ticks = Ticks()
    tokens = Tokens(Ring(folder, clock=ticks), issuer="http://portal.example", life=timedelta(minutes=15))
    at = datetime.now(UTC)
    before = tokens.issue("someone", "a session", at)
    old = jwt.get_unverified_header(before)["kid"]
    keys.add(folder, NOW)
    ticks.now += LOOK_SECONDS
    assert jwt.get_unverified_header(tokens.issue("someone", "a session", at))["kid"] != old
    assert tokens.verify(before).sub == "someone"
    keys.retire(folder, NOW, old, compromised=True)
    ticks.now += LOOK_SECONDS
    with pytest.raises(TokenError):
        tokens.verify(before)


def test_a_key_that_cannot_be_read_leaves_the_others_at_work(folder: Path) -> None:
    ticks = Ticks()
    ring = Ring(folder, clock=ticks)
    kid = ring.newest()[0]
    damaged = folder / "20270101T000000.000000Z-damaged.pem"
    damaged.write_text("no key")
    ticks.now += LOOK_SECONDS
    assert ring.newest()[0] == kid
    damaged.unlink()
    new = keys.add(folder, NOW)
    ticks.now += LOOK_SECONDS
    assert ring.newest()[0] == new


def test_an_empty_folder_does_not_lock_everybody_out(folder: Path) -> None:
    ticks = Ticks()
    ring = Ring(folder, clock=ticks)
    for path in folder.iterdir():
        path.unlink()
    ticks.now += LOOK_SECONDS
    assert ring.find(ring.newest()[0]) is not None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `publisher keys` on the folder of a test; what it ends with and says."""

    def call(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["--data-dir", str(tmp_path), "keys", *words])
        return result.exit_code, result.output

    return call


def test_the_command_lists_rotates_and_retires(run: Run) -> None:
    assert "no key yet" in run("list")[1]
    first, second = (run("rotate")[1].split()[0] for _ in range(2))
    said = run("list")[1].splitlines()
    assert said[0].startswith(first)
    assert "needed until" in said[0]
    assert said[1].startswith(second)
    assert said[1].endswith("signs")
    assert run("retire") == (0, "every key is still needed\n")
    assert run("retire", first)[0] == 1
    assert run("retire", "--compromised")[0] == 2
    assert run("retire", second, "--compromised")[0] == 1
    assert run("retire", first, "--compromised") == (0, f"{first} is removed\n")
    assert first not in run("list", "--json")[1]


def test_no_key_is_called_what_a_command_takes_for_an_option(tmp_path: Path) -> None:
    made = [keys.add(tmp_path / f"{number}", NOW) for number in range(500)]
    assert [kid for kid in made if kid.startswith("-")] == []


@pytest.mark.parametrize("letter", ["h", "x"])
def test_an_older_key_that_is_called_so_is_retired_all_the_same(letter: str, tmp_path: Path, run: Run) -> None:
    old = f"-{letter}{'A' * 41}"
    keys.add(tmp_path / "keys", NOW)
    (held,) = (tmp_path / "keys").iterdir()
    held.rename(held.with_name(f"{held.name.partition('-')[0]}-{old}.pem"))
    run("rotate")
    status, said = run("retire", old)
    assert (status, said.startswith(f"publisher: tokens that {old} signed may be valid until")) == (1, True)
    assert run("retire", "--compromised", old) == (0, f"{old} is removed\n")
    assert run("retire", "--", old)[0] == 1
    assert run("retire", "--compromized")[0] == 2
