"""Signing in takes as long for an account that there is as for one that there is not: nobody learns who has one.

Measured where a stranger would, over HTTP, for wrong passwords. Samples of both kinds come in pairs of random
order, so that a busy machine slows both; of their differences the median counts. Even so, noise can look like a
difference, but hardly time after time to the same side, as a real one does: it is one when every round shows it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from publisher.content import editors
from publisher.content.model import Role
from tests.integration.api_fixtures import PASSWORD, Server, restartable

BOUND_SECONDS = 0.005
PAIRS, ROUNDS = 30, 8
PLACES = 11
"""Addresses to ask from: no more than 50 failures are let through from each."""

Seconds = Callable[[str], float]


def difference(seconds: Seconds, known: Iterator[str], unknown: Iterator[str], chance: random.Random) -> float:
    """The median by which an account that there is takes longer, in seconds."""
    found = []
    for _ in range(PAIRS):
        pair = [(1, next(known)), (-1, next(unknown))]
        chance.shuffle(pair)
        found.append(sum(sign * seconds(account) for sign, account in pair))
    return statistics.median(found)


def differences(seconds: Seconds, known: Iterator[str], unknown: Iterator[str]) -> list[float]:
    """The differences of some rounds, until one of them is within the bound or to the other side than the first."""
    chance, found = random.Random(7), list[float]()
    while len(found) < ROUNDS and (not found or is_real(found)):
        found.append(difference(seconds, known, unknown, chance))
    return found


def is_real(found: list[float]) -> bool:
    """Whether every round shows the difference, to the same side."""
    return min(found) >= BOUND_SECONDS or max(found) <= -BOUND_SECONDS


def measured(server: Server) -> list[float]:
    """The differences as a stranger measures them, at accounts of which each is tried but a few times."""
    count = PAIRS * ROUNDS // 9 + 1
    with server.writes() as writer:
        hashed = editors.hash_password(PASSWORD)
        for number in range(count):
            writer.run(
                lambda tx, number=number: editors.create(  # type: ignore[misc]
                    tx, email=f"known{number}@example.com", name="Una", role=Role.editor, password_hash=hashed
                )
            )
    with ExitStack() as stack:
        transports = [httpx.HTTPTransport(local_address=f"127.0.2.{number}") for number in range(1, PLACES + 1)]
        places = [
            stack.enter_context(httpx.Client(base_url=server.url, transport=one, timeout=60)) for one in transports
        ]
        turns = iter(range(1_000_000))

        def seconds(account: str) -> float:
            client = places[next(turns) // 48 % PLACES]
            began = time.perf_counter()
            answer = client.post("/auth/token", json={"email": account, "password": "not the password"})
            took = time.perf_counter() - began
            assert answer.status_code == 401, answer.text
            return took

        def names(kind: str) -> Iterator[str]:
            return (f"{kind}{number % count}@example.com" for number in range(1_000_000))

        return differences(seconds, names("known"), names("other"))


def test_a_stranger_cannot_tell_who_has_an_account(own_api_server: Server) -> None:
    found = measured(own_api_server)
    assert not is_real(found), found


@pytest.mark.parametrize("factory", ["tests.integration.hurried:from_environment"])
def test_a_server_that_answers_early_for_unknown_accounts_is_found_out(factory: str, tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        server.stop()
        server.command = [*server.command, factory]
        server.start()
        found = measured(server)
    assert is_real(found), found
