"""What is refused before its body was read leaves a connection that goes on, or says that it does not."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing

import pytest

from tests.integration.api_fixtures import MAX_BODY, Server

ROUNDS = 60
"""A body of several pieces that nobody reads ended the connection nearly each time, and said so half of the time."""
LARGE, SMALL = b"x" * 130_000, b"{}"
REFUSED: dict[str, tuple[str, str, str | None, bytes, int]] = {
    "nobody": ("POST", "/reviews", None, LARGE, 401),
    "nobody, little": ("PATCH", "/reviews/019a2f6e-0001-7b20-8000-0c1d2e3f4a5c", None, SMALL, 401),
    "an editor": ("POST", "/jobs", "ana", SMALL, 403),
    "no address": ("POST", "/nowhere", "ana", LARGE, 404),
    "no method": ("PUT", "/reviews", "ana", LARGE, 405),
    "too large": ("POST", "/reviews", "ana", b" " * (MAX_BODY + 1), 413),
    "no rows": ("POST", "/reviews/import", "ana", LARGE, 415),
    "a strange parameter": ("POST", "/reviews?stat=draft", "ana", LARGE, 400),
    "nothing is refused": ("GET", "/reviews", "ana", LARGE, 200),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_request_is_lost_after_one_whose_body_was_not_read(api_server: Server, name: str) -> None:
    method, path, who, body, status = REFUSED[name]
    headers = {"Content-Type": "application/json"} | _signed(api_server, who)
    connections = 0
    with closing(http.client.HTTPConnection(api_server.url.removeprefix("http://"), timeout=60)) as connection:
        for _ in range(ROUNDS):
            connections += connection.sock is None  # which it is once an answer said that the connection ends
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                assert answer.status == status
                answer.read()
    assert connections < ROUNDS / 2, "what comes soon is read, so that the connection goes on"


@pytest.mark.parametrize(
    "line", ["Content-Length: 10", "Content-Length: 99999999999", "Transfer-Encoding: chunked"],
)  # fmt: skip
@pytest.mark.parametrize("expectation", ["", "Expect: 100-continue\r\n"])
def test_a_body_that_does_not_come_is_not_waited_for_and_the_answer_says_that_the_connection_ends(
    api_server: Server, line: str, expectation: str
) -> None:
    answer = _whole_answer(api_server, f"POST /reviews HTTP/1.1\r\nHost: x\r\n{expectation}{line}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 "), "nobody is asked to send what is refused"
    head = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head.count(b"connection: close") == 1, head


def test_a_request_without_a_body_does_not_end_the_connection(api_server: Server) -> None:
    for line in ("", "Content-Length: 0\r\n"):
        last = "GET /reviews HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answers = _whole_answer(api_server, f"POST /reviews HTTP/1.1\r\nHost: x\r\n{line}\r\n{last}")
        assert answers.count(b"HTTP/1.1 401 ") == 2


def _whole_answer(server: Server, asked: str) -> bytes:
    """What is answered until the server ends the connection."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(asked.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _signed(server: Server, who: str | None) -> dict[str, str]:
    return {} if who is None else {"Authorization": f"Bearer {server.token(who)}"}
