"""One attempt to deliver: to whom it goes, what it says, and that nobody can lead it astray or hold it up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import WebhookVerificationError

from publisher.content import endpoints, webhooks
from publisher.content.endpoints import Endpoint
from publisher.webhooks import signing
from publisher.webhooks.sending import Resolve, Sender, resolve
from tests.receiver import Receiver, certificate, receiving, status

BODY = b'{"type":"webhook.ping","timestamp":"2026-11-24T10:00:00.000000Z","data":{}}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 204."""
    with receiving() as running:
        yield running


def at(receiver: Receiver, host: str = "hooks.example", scheme: str = "http", *, trusted: bool = True) -> Endpoint:
    return Endpoint(scheme=scheme, host=host, port=receiver.port, path="/hook?a=b", is_trusted=trusted)


def loopback(host: str, port: int) -> list[str]:
    """A resolver in whose world every host is here."""
    return ["127.0.0.1"]


def test_a_message_is_signed_as_the_specification_has_it(receiver: Receiver) -> None:
    secrets = [webhooks.fresh_secret(), webhooks.fresh_secret()]
    headers = signing.headers("evt_1", int(datetime.now(UTC).timestamp()), BODY, secrets)
    assert Sender(resolve=loopback).send(at(receiver), headers, BODY).is_delivered
    (message,) = receiver.messages
    assert (message.path, message.headers["host"]) == ("/hook?a=b", f"hooks.example:{receiver.port}")
    for secret in secrets:
        assert message.verified(secret) == msgspec.json.decode(BODY)
    with pytest.raises(WebhookVerificationError):
        message.verified(webhooks.fresh_secret())
    message.headers["webhook-timestamp"] = str(int(message.headers["webhook-timestamp"]) - 1)
    with pytest.raises(WebhookVerificationError):
        message.verified(secrets[0])


def test_the_signature_is_that_of_the_specification_s_example() -> None:
    body = b'{"test": 2432232314}'
    said = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    assert said["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["::1"], ["::ffff:127.0.0.1"], ["10.1.2.3"],
     ["169.254.169.254"], ["100.64.0.1"], ["fd00:ec2::254"], ["fe80::1%lo"], []],
    ids=repr,
)  # fmt: skip
def test_a_name_with_any_address_that_is_not_public_is_not_asked(receiver: Receiver, addresses: list[str]) -> None:
    outcome = Sender(resolve=lambda host, port: addresses).send(at(receiver, trusted=False), {}, BODY)
    assert outcome.status is None
    assert "hooks.example" in outcome.reason
    assert receiver.messages == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0"])
def test_other_ways_to_say_this_machine_are_known_by_their_address(receiver: Receiver, host: str) -> None:
    named = endpoints.parse(f"https://{host}:{receiver.port}/")
    assert resolve(host, receiver.port)
    assert "not on the public internet" in Sender().send(named, {}, BODY).reason
    assert receiver.messages == []


def test_the_address_that_was_judged_is_the_one_that_is_asked(receiver: Receiver) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    assert Sender(resolve=rebinding).send(at(receiver), {}, BODY).is_delivered
    assert asked == ["hooks.example"]


def resolving(*addresses: str) -> Resolve:
    """A resolver in whose world every host has these addresses."""
    return lambda host, port: list(addresses)


@contextmanager
def full(port: int) -> Iterator[str]:
    """An address that takes no connection and refuses none: its queue is full."""
    address = "127.0.0.3"
    with ExitStack() as held:
        deaf = held.enter_context(socket.create_server((address, port), backlog=0))
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        yield address


def test_another_address_is_asked_when_the_first_takes_no_connection(receiver: Receiver) -> None:
    """Nobody listens at 127.0.0.2, and 127.0.0.3 is silent."""
    with full(receiver.port) as silent:
        for addresses in (["127.0.0.2", "127.0.0.1"], [silent, "127.0.0.1"], ["127.0.0.2", silent, "127.0.0.1"]):
            receiver.messages.clear()
            sender = Sender(resolve=resolving(*addresses), total_seconds=6)
            outcome = sender.send(at(receiver), {}, BODY)
            assert outcome.is_delivered, outcome
            assert len(receiver.messages) == 1


def test_many_dead_addresses_leave_time_for_the_last_and_all_of_it_is_bounded(receiver: Receiver) -> None:
    with full(receiver.port) as silent:
        dead = [silent] * 7
        sender = Sender(resolve=lambda host, port: [*dead, "127.0.0.1"], total_seconds=4)
        assert sender.send(at(receiver), {}, BODY).is_delivered
        began = time.monotonic()
        assert (
            "in time"
            in Sender(resolve=lambda host, port: dead * 100, total_seconds=1).send(at(receiver), {}, BODY).reason
        )
        assert time.monotonic() - began < 10


def test_what_was_sent_to_one_address_is_not_sent_to_another(receiver: Receiver) -> None:
    heard = threading.Event()

    def hang_up(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            heard.set() if connection.recv(65536) else None

    with socket.create_server(("127.0.0.2", receiver.port)) as rude:
        thread = threading.Thread(target=hang_up, args=(rude,))
        thread.start()
        sender = Sender(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert not sender.send(at(receiver), {}, BODY).is_delivered
        thread.join(60)
    assert heard.is_set()
    assert receiver.messages == []


def test_an_address_with_a_bad_certificate_is_not_the_end(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "hooks.example")
    wrong, _ = certificate(tmp_path, "other.example")
    with receiving(server) as receiver, socket.create_server(("127.0.0.2", receiver.port)) as other:
        tls = wrong.wrap_socket(other, server_side=True)

        def shake_hands() -> None:
            with suppress(OSError):
                tls.accept()

        thread = threading.Thread(target=shake_hands)
        thread.start()
        sender = Sender(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"], tls=trusting)
        assert sender.send(at(receiver, scheme="https"), {}, BODY).is_delivered
        thread.join(60)
        tls.close()


def test_a_name_that_is_looked_up_for_too_long_is_an_outcome(receiver: Receiver) -> None:
    over = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        over.wait(120)
        return ["127.0.0.1"]

    began = time.monotonic()
    outcome = Sender(resolve=hang, resolve_seconds=0.2).send(at(receiver), {}, BODY)
    assert time.monotonic() - began < 30
    assert "could not be looked up in time" in outcome.reason
    sender, outcomes = Sender(resolve=hang, resolve_seconds=100), list[str]()
    thread = threading.Thread(target=lambda: outcomes.append(sender.send(at(receiver), {}, BODY).reason))
    thread.start()
    while not sender._asked:
        time.sleep(0.01)
    sender.stop()
    thread.join(30)
    assert len(outcomes) == 1, "stopping does not break it off"
    assert "publisher ends" in sender.send(at(receiver), {}, BODY).reason
    over.set()
    assert receiver.messages == []


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as other:
        for code in (301, 302, 303, 307, 308):
            receiver.answer = status(code, Location=other.url)
            outcome = Sender(resolve=loopback).send(at(receiver), {}, BODY)
            assert (outcome.status, outcome.is_delivered) == (code, False)
            assert "redirects are not followed" in outcome.reason
        assert other.messages == []


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_a_2xx_is_delivered(receiver: Receiver, code: int) -> None:
    receiver.answer = status(code)
    assert Sender(resolve=loopback).send(at(receiver), {}, BODY).is_delivered


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_not(receiver: Receiver, code: int) -> None:
    receiver.answer = status(code, Retry_After="7")
    outcome = Sender(resolve=loopback).send(at(receiver), {}, BODY)
    assert (outcome.status, outcome.reason, outcome.retry_after) == (code, f"answered {code}", 7.0)


@pytest.mark.parametrize(("said", "seconds"), [("99999999999", 3600), ("-1", 0), ("Tue, 24 Nov 2026 10:00:00 GMT", 0)])
def test_a_retry_after_is_bounded(receiver: Receiver, said: str, seconds: float) -> None:
    receiver.answer = status(503, Retry_After=said)
    assert Sender(resolve=loopback).send(at(receiver), {}, BODY).retry_after == seconds


def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "hooks.example")
    with receiving(server) as receiver:
        good = Sender(resolve=loopback, tls=trusting)
        assert good.send(at(receiver, scheme="https"), {}, BODY).is_delivered
        other = good.send(at(receiver, "other.example", "https"), {}, BODY)
        assert "certificate is not valid" in other.reason
        assert (
            "certificate is not valid" in Sender(resolve=loopback).send(at(receiver, scheme="https"), {}, BODY).reason
        )
        assert len(receiver.messages) == 1


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Begin an answer and never end it, a byte at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def keep_saying_go_on(handler: BaseHTTPRequestHandler) -> None:
    """Answer `100 Continue` without end."""
    for _ in range(2000):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.005)


def say_nothing(handler: BaseHTTPRequestHandler) -> None:
    """Keep the connection and the sender waiting."""
    time.sleep(10)


@pytest.mark.parametrize("answer", [drip, keep_saying_go_on, say_nothing])
def test_a_receiver_that_takes_its_time_is_broken_off(receiver: Receiver, answer: object) -> None:
    receiver.answer = answer  # type: ignore[assignment]
    began = time.monotonic()
    outcome = Sender(resolve=loopback, total_seconds=0.5).send(at(receiver), {}, BODY)
    assert time.monotonic() - began < 3
    assert not outcome.is_delivered


def test_a_receiver_that_never_reads_is_broken_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = Endpoint(scheme="http", host="x.example", port=deaf.getsockname()[1], path="/", is_trusted=True)
        began = time.monotonic()
        outcome = Sender(resolve=loopback, total_seconds=0.5).send(endpoint, {}, b"x" * 50_000_000)
        assert time.monotonic() - began < 5
        assert not outcome.is_delivered


def big(handler: BaseHTTPRequestHandler) -> None:
    """Answer at once, with a body that has no end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 100_000)


def test_the_body_of_an_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answer = big
    began = time.monotonic()
    assert Sender(resolve=loopback).send(at(receiver), {}, BODY).is_delivered
    assert time.monotonic() - began < 5


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff" * 100 + b"\r\n\r\n")


def many_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")


@pytest.mark.parametrize("answer", [garbage, many_headers])
def test_what_is_no_proper_answer_is_an_outcome(receiver: Receiver, answer: object) -> None:
    receiver.answer = answer  # type: ignore[assignment]
    assert not Sender(resolve=loopback).send(at(receiver), {}, BODY).is_delivered


def test_nobody_there_is_an_outcome() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = Endpoint(scheme="http", host="x.example", port=probe.getsockname()[1], path="/", is_trusted=True)
        assert "cannot be reached" in Sender(resolve=loopback).send(gone, {}, BODY).reason
    nowhere = Endpoint(scheme="https", host="nowhere.invalid", port=443, path="/", is_trusted=False)
    assert "has no address" in Sender().send(nowhere, {}, BODY).reason


def test_no_proxy_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    assert Sender(resolve=loopback).send(at(receiver), {}, BODY).is_delivered


def test_stopping_breaks_off_what_is_under_way(receiver: Receiver) -> None:
    over = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        over.wait(60)

    receiver.answer = hold
    sender = Sender(resolve=loopback, total_seconds=600)
    outcomes: list[bool] = []
    thread = threading.Thread(target=lambda: outcomes.append(sender.send(at(receiver), {}, BODY).is_delivered))
    thread.start()
    receiver.wait_for(1)
    sender.stop()
    thread.join(30)
    assert outcomes == [False], "it waits for the answer"
    over.set()
