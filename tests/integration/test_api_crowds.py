"""When more passwords are to be checked than may wait, the next are told so at once, and when to come again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.newsroom import PASSWORDS_AT_ONCE, PASSWORDS_WAITING, Newsroom
from publisher.content import editors
from tests.integration.asking import until
from tests.integration.office import PASSWORD, opened

SECONDS = 120
"""How long anything is waited for at most."""


@contextmanager
def slow() -> Iterator[None]:
    """No password is checked or hashed within the block, as if each took for ever."""
    for _ in range(PASSWORDS_AT_ONCE):
        editors._SLOTS.acquire()
    try:
        yield
    finally:
        for _ in range(PASSWORDS_AT_ONCE):
            editors._SLOTS.release()


def test_a_crowd_before_the_passwords_is_told_when_to_come_again(tmp_path: Path) -> None:
    most = PASSWORDS_AT_ONCE + PASSWORDS_WAITING
    with opened(tmp_path) as office, ThreadPoolExecutor(most + 1) as pool:
        root, ana = ({"Authorization": office.bearer(who)} for who in ("root", "ana"))
        newsroom: Newsroom = office.app.state["newsroom"]

        def make(number: int) -> Any:
            said = {"email": f"{number}@example.com", "name": f"N {number}", "password": PASSWORD}
            return office.client.post("/editors", json=said, headers=root)

        more: dict[str, tuple[Any, dict[str, str]]] = {
            "/auth/token": ({"email": "chief@example.com", "password": PASSWORD}, {}),
            "/editors/me/password": ({"current": PASSWORD, "new": PASSWORD}, ana),
            "/editors": ({"email": "x@example.com", "name": "X", "password": PASSWORD}, root),
            f"/editors/{office.accounts['beto'].id}/password": (None, root),
        }
        with slow():
            crowd = [pool.submit(make, number) for number in range(most)]
            until(lambda: newsroom.is_crowded, "as many wait as may", SECONDS)
            for path, (said, headers) in more.items():
                answer = pool.submit(office.client.post, path, json=said, headers=headers).result(SECONDS)
                assert (answer.status_code, answer.json()["code"]) == (429, "throttled"), path
                assert int(answer.headers["retry-after"]) >= 1
            assert office.client.get("/editors/me", headers=ana).status_code == 200, "nobody else waits"
        assert {each.result(SECONDS).status_code for each in crowd} == {201}
        assert not newsroom.is_crowded
        for path, (said, headers) in more.items():
            assert office.client.post(path, json=said, headers=headers).is_success, path
