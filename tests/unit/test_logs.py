"""Log lines: one whole line for each event, in both layouts, with whatever looks like a credential blotted out."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from publisher import logs

TOKEN = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
SECRETS = {
    "a token": TOKEN,
    "a header": "Authorization: Bearer 0123456789abcdef",
    "a basic header": "authorization: basic YW5hOnNlY3JldA==",
    "a webhook's secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "a password in a URL": "cannot reach https://ana:hunter2@example.org/x",
    "a key": "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIN\n-----END PRIVATE KEY-----",
    "half a key": "-----BEGIN EC PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIN",
}
HELD = ("0123456789abcdef", "YW5hOnNlY3JldA", "C2FVsBQIhrscChl", "hunter2", "MC4CAQAw", "eyJzdWIi")

Lines = Callable[[], list[str]]


@pytest.fixture
def pipe() -> Iterator[tuple[int, Lines]]:
    """A descriptor to log to, and the lines that came out at its other end."""
    out, into = os.pipe()

    def lines() -> list[str]:
        return os.read(out, 1_000_000).decode().splitlines()

    yield into, lines
    os.close(into)
    os.close(out)


def logger_to(descriptor: int, layout: str) -> logging.Logger:
    logger = logging.Logger("publisher.sample")  # noqa: LOG001 — one that no other test sees
    logger.addHandler(logs.Lines(layout, descriptor))
    return logger


def test_a_line_of_json_says_what_when_and_about_whom(pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    logger_to(into, "json").warning("two\nlines “%s”", "α7", extra=logs.fields(request_id="r-1", changes=[1, 2]))
    (line,) = lines()
    said = json.loads(line)
    assert said.pop("at").endswith("Z")
    assert said == {
        "level": "warning", "logger": "publisher.sample", "message": "two\nlines “α7”", "request_id": "r-1",
        "changes": [1, 2],
    }  # fmt: skip


def test_a_line_of_text_is_one_line_too(pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    logger_to(into, "text").info("two\nlines", extra=logs.fields(request_id="r-1"))
    (line,) = lines()
    assert line.endswith(r" INFO publisher.sample two\nlines request_id=r-1")


def test_a_failure_is_told_with_its_trace_in_the_same_line(pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    try:
        raise ValueError("planted")
    except ValueError:
        logger_to(into, "json").exception("it failed")
    (line,) = lines()
    assert json.loads(line)["error"].splitlines()[-1] == "ValueError: planted"


def test_a_value_that_is_no_json_is_told_by_its_words(pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    logger_to(into, "json").info("x", extra=logs.fields(about=object))
    assert json.loads(lines()[0])["about"] == "<class 'object'>"


@pytest.mark.parametrize("layout", ["json", "text"])
@pytest.mark.parametrize("case", SECRETS)
def test_what_looks_like_a_credential_is_blotted_out(case: str, layout: str, pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    logger = logger_to(into, layout)
    logger.error("it said %s", SECRETS[case])
    logger.error("x", extra=logs.fields(field=SECRETS[case]))
    try:
        raise ValueError(SECRETS[case])
    except ValueError:
        logger.exception("it failed")
    said = "\n".join(lines())
    assert said.count("[redacted]") >= 3
    assert [held for held in HELD if held in said] == []


@pytest.mark.parametrize(
    "harmless", ["Bearer needed", "https://example.org:8080/a@b", "obey.the.law", "whsec", "a basic idea", "eyJ"]
)
def test_words_that_are_none_stay(harmless: str) -> None:
    assert logs.redacted(harmless.encode()) == harmless.encode()


def test_lines_of_many_threads_do_not_mix(pipe: tuple[int, Lines]) -> None:
    into, lines = pipe
    logger = logger_to(into, "json")

    def say(number: int) -> None:
        for _ in range(5):
            logger.info(str(number) * 500)

    threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [json.loads(line)["message"] for line in lines()]
    assert sorted(said) == sorted(str(n) * 500 for n in range(8) for _ in range(5))


def test_a_process_that_ends_says_why_as_a_line() -> None:
    program = (
        "import logging, threading, warnings; from publisher import logs; logs.setup('json', 'info')\n"
        "def fail(): raise ValueError('in a thread')\n"
        "thread = threading.Thread(target=fail, name='planted'); thread.start(); thread.join()\n"
        "warnings.warn('a warning'); logging.getLogger('x').debug('too small')\n"
        "raise ValueError('the end')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    said = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["level"] for line in said] == ["critical", "warning", "critical"]
    assert said[0]["message"] == "the thread planted ended"
    assert said[0]["error"].endswith("ValueError: in a thread")
    assert said[2]["error"].endswith("ValueError: the end")


def test_more_than_information_is_told_by_ourselves_only() -> None:
    program = (
        "import logging; from publisher import logs; logs.setup('json', 'debug')\n"
        "for name in ('publisher.delivery', 'api.requests', 'botocore.auth', 'urllib3'):\n"
        "    logging.getLogger(name).debug('every detail'); logging.getLogger(name).info('the gist')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in run.stderr.splitlines()]
    detailed = [line["logger"] for line in said if line["message"] == "every detail"]
    assert detailed == ["publisher.delivery", "api.requests"]
    assert len([line for line in said if line["message"] == "the gist"]) == 4
