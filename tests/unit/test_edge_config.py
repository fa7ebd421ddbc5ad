"""`publisher edge config`: which store an edge asks, and how."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from publisher.cli import main


def config(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["edge", "config", *words])
    return done.exit_code, done.output


def test_nginx_asks_a_store_over_https_by_its_name() -> None:
    code, said = config("nginx", "--store", "https://nyc3.example.com/")
    assert code == 0
    for line in (
        "server nyc3.example.com:443;", "proxy_pass https://store;", "proxy_ssl_name nyc3.example.com;",
        "proxy_ssl_verify on;", "proxy_set_header Host nyc3.example.com;",
    ):  # fmt: skip
        assert line in said


def test_nginx_asks_a_store_over_http_without_any_of_it() -> None:
    code, said = config("nginx", "--store", "10.0.0.5:8333")
    assert code == 0
    assert "server 10.0.0.5:8333;" in said
    assert "proxy_ssl" not in said


@pytest.mark.parametrize("kind", ["varnish", "caddy"])
def test_others_refuse_it_and_say_what_to_do(kind: str) -> None:
    code, said = config(kind, "--store", "https://nyc3.example.com")
    assert code == 2
    assert "take nginx" in said
