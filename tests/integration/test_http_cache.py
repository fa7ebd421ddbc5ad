"""A fixed part of http-cache-tests passes through the edges that keep pages; one that keeps too much is found out."""

from __future__ import annotations

import pytest

from benchmarks.edges import KINDS, start_bare_nginx
from tests.http_cache import MUST_PASS, OURS, REASONS, Tried, outcome, put_through, reason


@pytest.mark.parametrize("kind", ["nginx", "Varnish"])
def test_what_a_cache_must_do_is_done(kind: str) -> None:
    tried = put_through(KINDS[kind], *MUST_PASS)
    assert set(tried) == set(MUST_PASS)
    assert {id_: one.came for id_, one in tried.items() if one.came[0] != "pass"} == {}


def test_an_edge_that_keeps_what_must_not_be_kept_is_found_out() -> None:
    greedy = "proxy_ignore_headers Cache-Control Expires; proxy_cache_valid any 1h;"
    ids = ("freshness-max-age", "cc-resp-no-store", "cc-resp-private-shared", "freshness-max-age-0")
    tried = put_through(lambda store, _: start_bare_nginx(store, also=greedy), *ids, bucket="")
    assert [tried[id_].came[0] for id_ in ids] == ["pass", "Assertion", "Assertion", "Assertion"]


def test_a_test_tells_nothing_without_what_it_needs() -> None:
    def made(id_: str, *came: str, needs: tuple[str, ...] = ()) -> Tried:
        return Tried(id=id_, suite="a", name=id_, kind="required", needs=needs, came=came)

    tried = {
        one.id: one
        for one in (
            made("a", "Assertion", "not kept"),
            made("b", "pass", needs=("a",)),
            made("c", "Setup", "405"),
            made("d", "pass"),
            made("e", "pass", needs=("b",)),
        )
    }
    assert [outcome(id_, tried) for id_ in "abcde"] == ["fail", "unmade", "unmade", "pass", "unmade"]


def test_what_must_pass_is_excused_by_no_reason() -> None:
    for edge in OURS[:2]:
        assert [id_ for id_ in MUST_PASS if reason(edge, id_, REASONS)] == []
