"""One connection after the other over real sockets: each request gets its answer, and its own."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from contextlib import closing

import pytest

from tests.integration.api_fixtures import Server

DEADLINE = 60


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/nowhere", "/reviews", "/auth/token", "/content"])
def test_head_answers_what_get_does_but_the_body_and_the_connection_goes_on(own_api_server: Server, path: str) -> None:
    answers = []
    with closing(
        http.client.HTTPConnection(own_api_server.url.removeprefix("http://"), timeout=DEADLINE)
    ) as connection:
        for method in ("GET", "HEAD", "HEAD", "GET"):
            connection.request(method, path)
            with connection.getresponse() as answer:
                assert len(answer.read()) == (0 if method == "HEAD" else int(answer.headers["content-length"]))
                told = {"date", "x-request-id"}
                head = {name: value for name, value in answer.headers.items() if name not in told}
                answers.append((answer.status, head))
            assert connection.sock is not None
            connection.auto_open = 0  # a connection that was ended is not opened anew
    assert answers == [answers[0]] * 4
    assert "Traceback" not in own_api_server.log.read_text()


def test_what_the_server_says_by_itself_is_in_the_document(api_server: Server) -> None:
    with api_server.client(None) as client:
        paths = client.get("/openapi.json").json()["paths"]
    operations = [item for path in paths.values() for item in path.values() if "responses" in item]
    assert len(operations) > 50
    for each in operations:
        told = {"431": "head_too_large", "503": "unavailable"} | ({"408": "too_slow"} if "requestBody" in each else {})
        for status, code in told.items():
            content = each["responses"][status]["content"]["application/problem+json"]
            assert code in {example["value"]["code"] for example in content["examples"].values()}, each["operationId"]


def begun(server: Server, sent: int, length: int) -> socket.socket:
    """A connection on which an editor has sent so much of a new review of this length."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=DEADLINE)
    head = f"POST /reviews HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token('ana')}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + b" " * sent)
    return connection


def logged(server: Server, wanted: str) -> str:
    """The first line of the log that says this."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        for line in server.log.read_text().splitlines():
            if wanted in line:
                return line
        time.sleep(0.01)
    raise AssertionError(f"{wanted} is not in the log:\n{server.log.read_text()}")


def test_a_client_that_hangs_up_amid_its_body_is_no_failure_of_the_service(own_api_server: Server) -> None:
    begun(own_api_server, 100, 200).close()
    assert "POST /reviews 400" in logged(own_api_server, "POST /reviews ")


@pytest.mark.parametrize("again", [None, signal.SIGTERM, signal.SIGINT])
def test_what_does_not_come_to_an_end_with_the_service_is_told_to_come_again(
    own_api_server: Server, again: signal.Signals | None
) -> None:
    process = own_api_server.process
    host, _, port = own_api_server.url.removeprefix("http://").partition(":")
    with begun(own_api_server, 100, 200) as connection, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)  # and nothing is read
        logged(own_api_server, "GET /openapi.json 200")
        process.send_signal(again or signal.SIGTERM)
        if again is not None:
            logged(own_api_server, "Shutting down")
            process.send_signal(again)
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).decode().partition("\r\n\r\n")
        assert process.wait(DEADLINE) == 0
    lines = head.lower().split("\r\n")
    assert lines[0] == "http/1.1 503 service unavailable"
    assert {"content-type: application/problem+json", "connection: close", "retry-after: 2"} <= set(lines)
    said = json.loads(body)
    assert said["code"] == "unavailable"
    assert f"x-request-id: {said['request_id']}" in lines
    assert "Traceback" not in own_api_server.log.read_text()
