"""Bunny's script, run by Bunny's own library before the real store, answers what every other edge answers.

The cache before it and its compression are Bunny's, and are not here. A script is given addresses as URLs, in which
`/../` is gone already: such an address is that of what it leads to, within the site.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from publisher.edges import bunny
from publisher.settings import Settings
from tests.integration.asking import ask
from tests.integration.test_caching_edges import origin_server
from tests.integration.test_edge import (
    HOME_PAGE,
    STORES,
    small_site,
    test_a_folder_without_its_slash_is_redirected,
    test_a_missing_page_is_missing_to_conditions_ranges_and_head,
    test_a_page_carries_its_headers_and_none_of_the_stores,
    test_apps_of_other_origins_may_read_the_data,
    test_clean_addresses,
    test_other_methods_are_refused,
    test_pages_are_not_for_other_origins,
)
from tests.servers import CLIENTS, start_pull_zone

__all__ = [
    "small_site",
    "test_a_folder_without_its_slash_is_redirected",
    "test_a_missing_page_is_missing_to_conditions_ranges_and_head",
    "test_a_page_carries_its_headers_and_none_of_the_stores",
    "test_apps_of_other_origins_may_read_the_data",
    "test_clean_addresses",
    "test_other_methods_are_refused",
    "test_pages_are_not_for_other_origins",
]


@pytest.fixture(scope="module")
def edge(small_site: Settings) -> Iterator[int]:
    """Port of the script before the small site."""
    with start_pull_zone(f"127.0.0.1:{small_site.stack.s3_port}", small_site.s3.bucket) as zone:
        yield zone.port


@pytest.mark.parametrize(
    "path",
    ["/nope/", "/nope.json", "/content/nope.json", "//", "//evil.example/x", "/a//index.html", "/a%5cb.html",
     "/reviews/..%2findex.html", "/a%00.html", "/.publisher/lease.json", "/404.html/"],
)  # fmt: skip
def test_no_page_and_no_way_around(edge: int, path: str) -> None:
    answer = ask(edge, path)
    assert (answer.status, answer.body) == (404, b"<h1>lost</h1>" * 100)
    assert answer.headers["cache-control"] == "public, max-age=30"
    assert "content-security-policy" in answer.headers
    assert "etag" not in answer.headers
    assert not [name for name in answer.headers if name.startswith(STORES)]


@pytest.mark.parametrize("path", ["/../index.html", "/reviews/%2e%2e/", "/reviews/..", "/./index.html"])
def test_a_crooked_address_leads_nowhere_else(edge: int, path: str) -> None:
    assert ask(edge, path).body == HOME_PAGE


def test_an_unchanged_page_is_not_sent_again(edge: int) -> None:
    assert ask(edge, "/", If_None_Match=ask(edge, "/").headers["etag"]).status == 304


def test_an_ill_store_is_told_briefly_and_sets_no_cookie() -> None:
    with origin_server() as origin, start_pull_zone(f"127.0.0.1:{origin.server_address[1]}", "site") as zone:
        assert "set-cookie" not in ask(zone.port, "/").headers
        origin.status = 500
        answer = ask(zone.port, "/")
        assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
        assert answer.body.startswith(b"The store behind this page does not answer.")
        assert ask(zone.port, "/nothing/").body == b"There is no page at this address."


def test_the_library_is_the_one_that_the_script_names() -> None:
    held = json.loads((CLIENTS / "node_modules/@bunny.net/edgescript-sdk/package.json").read_text(encoding="utf-8"))
    assert held["version"] == bunny.SDK
