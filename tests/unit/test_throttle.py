"""Throttling: the window, whom strangers can hold up, memory, and where a request is from."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.throttle import KEYS, PER_ACCOUNT, PER_ADDRESS, WINDOW_SECONDS, SignIns, Throttle, neighbourhood, origin

MOST_BYTES = 40_000_000


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_window_of_a_throttle_slides() -> None:
    clock = Clock()
    throttle = Throttle(3, 60, clock=clock)
    for _ in range(3):
        assert throttle.wait("a") == 0
        throttle.count("a")
        clock.now += 10
    assert throttle.wait("a") == 30
    assert throttle.wait("b") == 0
    clock.now += 30
    assert throttle.wait("a") == 0
    throttle.count("a")
    assert throttle.wait("a") == 10


def test_a_success_takes_its_attempt_back() -> None:
    throttle = Throttle(2, 60, clock=Clock())
    for _ in range(5):
        throttle.count("a")
        throttle.undo("a")
    assert throttle.wait("a") == 0
    throttle.count("a")
    throttle.count("a")
    assert throttle.wait("a") > 0
    throttle.clear("a")
    assert throttle.wait("a") == 0


@given(st.lists(st.tuples(st.floats(0, 50), st.booleans()), max_size=60))
def test_a_throttle_never_lets_more_through_than_its_limit(steps: list[tuple[float, bool]]) -> None:
    clock, let_through = Clock(), list[float]()
    throttle = Throttle(4, 60, clock=clock)
    for pause, _ in steps:
        clock.now += pause
        if throttle.wait("a") == 0:
            throttle.count("a")
            let_through.append(clock.now)
        assert sum(at > clock.now - 60 for at in let_through) <= 4


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_one_customer_counts_as_one_address(address: str, key: str) -> None:
    assert neighbourhood(address) == key


def guess(sign_ins: SignIns, account: str, address: str) -> bool:
    """Try a wrong password; whether it was tried at all."""
    if sign_ins.wait(account, address) > 0:
        return False
    sign_ins.begin(account, address)
    return True


def sign_in(sign_ins: SignIns, account: str, address: str) -> bool:
    """Sign in with the right password; whether that was let through."""
    if sign_ins.wait(account, address) > 0:
        return False
    sign_ins.succeeded(sign_ins.begin(account, address), account, address)
    return True


def test_guesses_for_an_account_count_from_wherever_they_come() -> None:
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    tried = sum(guess(sign_ins, "ana", f"192.0.2.{number}") for number in range(200))
    assert tried == PER_ACCOUNT
    assert 0 < sign_ins.wait("ana", "198.51.100.1") <= WINDOW_SECONDS
    assert sign_in(sign_ins, "beto", "192.0.2.1"), "another account is held up by nothing"
    clock.now += WINDOW_SECONDS
    assert sign_in(sign_ins, "ana", "198.51.100.1"), "it ends by itself"


def test_strangers_do_not_keep_an_account_from_where_it_signed_in_before() -> None:
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    assert sign_in(sign_ins, "ana", "203.0.113.7")
    for day in range(29):
        clock.now += 86_400
        assert sum(guess(sign_ins, "ana", f"192.0.2.{number}") for number in range(50)) == PER_ACCOUNT
        if day % 10 == 0:
            assert sign_in(sign_ins, "ana", "203.0.113.7")
            assert not sign_in(sign_ins, "ana", "203.0.113.8"), "from where it never was it has to wait"


def test_whoever_shares_a_familiar_address_is_throttled_there_alone() -> None:
    sign_ins = SignIns(clock=Clock())
    assert sign_in(sign_ins, "ana", "203.0.113.7")
    assert sum(guess(sign_ins, "ana", "203.0.113.7") for _ in range(50)) == PER_ACCOUNT
    assert sign_in(sign_ins, "ana", "203.0.113.8")


def test_signing_in_gives_a_guesser_no_more_guesses() -> None:
    sign_ins = SignIns(clock=Clock())
    tried = 0
    for number in range(30):
        tried += guess(sign_ins, "ana", f"192.0.2.{number}")
        sign_in(sign_ins, "ana", "203.0.113.7")
    assert tried == PER_ACCOUNT


def test_an_address_has_so_many_guesses_for_all_accounts_together() -> None:
    sign_ins = SignIns(clock=Clock())
    assert sum(guess(sign_ins, f"account {number}", "192.0.2.1") for number in range(200)) == PER_ADDRESS
    assert sign_in(sign_ins, "account 0", "192.0.2.2")


def test_whatever_strangers_send_is_held_in_bounded_memory() -> None:
    sign_ins = SignIns(keys=1_000, clock=Clock())
    tracemalloc.start()
    try:
        for number in range(3_000):
            guess(sign_ins, f"{number}" + "x" * 290, f"2001:db8:{number:x}::")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 1_000 * KEYS < MOST_BYTES


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "203.0.113.1", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.2", "198.51.100.2"),
        ("10.0.0.1", "203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
    ],
)
def test_only_our_own_proxies_say_whom_they_speak_for(peer: str, forwarded: str, found: str) -> None:
    assert origin(peer, forwarded, frozenset({"10.0.0.1", "10.0.0.2"})) == found
