"""Rows of imports, as a client sends them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from publisher.content import identity
from publisher.worker import now
from tests.integration.api_fixtures import Server
from tests.integration.asking import Answer

JSONL = {"Content-Type": "application/jsonl"}
WORDS = "Una cámara **equilibrada**, con la que da gusto salir a la calle. "


def row(number: int, **changed: Any) -> dict[str, Any]:
    return {"title": f"Reseña {number}", "content": WORDS, "camera_model": "Sony A7 IV"} | changed


def rows(count: int, **changed: Any) -> list[dict[str, Any]]:
    return [row(number, id=identity.uuid7(now()), **changed) for number in range(1, count + 1)]


def lines(said: Iterable[Any]) -> Iterator[bytes]:
    for each in said:
        yield each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode() + b"\n"


def sent(client: httpx.Client, said: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The answers to the rows, and the job of the last line."""
    answer = client.post("/reviews/import", content=lines(said), headers=JSONL, timeout=120)
    assert answer.status_code == 200, answer.text
    *each, last = [json.loads(line) for line in answer.text.splitlines() if line]
    assert list(last) == ["job"], last
    assert answer.headers["link"] == f'</jobs/{last["job"]["id"]}>; rel="monitor"'
    return each, last["job"]


def answers_at_all(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/health/live", trust_env=False, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def half_sent(server: Server) -> Iterator[None]:
    """An import of which three rows have come, of many."""
    with _sending(server, b"".join(lines(rows(3))), size=100_000):
        yield


def sent_and_gone(server: Server, count: int, seconds: float = 0) -> None:
    """An import whose client hangs up so soon after it has sent all, and reads nothing."""
    body = b"".join(lines(rows(count)))
    with _sending(server, body, size=len(body)):
        time.sleep(seconds)


def never_sent(server: Server) -> Answer:
    """What is answered to an import of which only the head has come."""
    with _sending(server, b"", size=100_000) as connection:
        connection.settimeout(60)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())


@contextlib.contextmanager
def _sending(server: Server, body: bytes, *, size: int) -> Iterator[socket.socket]:
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /reviews/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token('ana')}\r\n"
        f"Content-Type: application/jsonl\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        yield connection
