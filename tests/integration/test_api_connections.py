"""One connection after the other over real sockets: each request gets its answer, and its own."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest

from tests.integration.api_fixtures import Server


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/nowhere", "/reviews", "/auth/token", "/content"])
def test_head_answers_what_get_does_but_the_body_and_the_connection_goes_on(own_api_server: Server, path: str) -> None:
    answers = []
    with closing(http.client.HTTPConnection(own_api_server.url.removeprefix("http://"), timeout=60)) as connection:
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
