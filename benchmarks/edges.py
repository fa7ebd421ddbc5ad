"""Edges as processes, for measurements and tests: ours as `deploy/` has them, and a bare nginx beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from benchmarks.processes import end
from publisher.edges import caddy, nginx, varnish
from publisher.errors import StackError
from publisher.local import binary
from publisher.ports import LOOPBACK, is_free, kept_or_new

START_SECONDS = 60.0

_BARE = """
%(user)s
pid %(home)s/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path %(home)s/body;
	proxy_temp_path %(home)s/proxy;
	fastcgi_temp_path %(home)s/fastcgi;
	uwsgi_temp_path %(home)s/uwsgi;
	scgi_temp_path %(home)s/scgi;
	proxy_cache_path %(home)s/cache levels=1:2 keys_zone=kept:8m;
	server {
		listen 127.0.0.1:%(port)d;
		location / {
			proxy_pass http://%(store)s;
			proxy_cache kept;
			proxy_cache_revalidate on;
			%(also)s
		}
	}
}
"""
"""The cache of nginx with nothing set that need not be, as the authors of http-cache-tests try it."""


class Edge(msgspec.Struct, frozen=True):
    """A server before the store: its port, its process, and its host."""

    port: int
    process: subprocess.Popen[bytes]
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def start_nginx(
    store: str, name: str, *, host: str = LOOPBACK, trusted: str = "", purgers: tuple[str, ...] = (LOOPBACK,)
) -> Iterator[Edge]:
    """nginx as we ship it, before the bucket `name` of the store at host:port, or https://host:port."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as home:
        port, inner = _free(host), _free()
        how = nginx.Nginx(
            listen=f"{host}:{port}", inner=f"{LOOPBACK}:{inner}", home=home, log=f"{home}/error.log", user=_user(),
            trusted=trusted, purgers=purgers,
        )  # fmt: skip
        with _nginx(home, nginx.configuration(store, name, how), port, host) as edge:
            yield edge


@contextmanager
def start_bare_nginx(store: str, name: str = "", *, also: str = "") -> Iterator[Edge]:
    """nginx before the store at host:port, with its own defaults and what is to be set `also`; it knows no buckets."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as home:
        port = _free()
        user = f"user {_user()};" if _user() else ""
        words = {"home": home, "port": port, "store": store, "user": user, "also": also}
        with _nginx(home, _BARE % words, port) as edge:
            yield edge


@contextmanager
def start_varnish(store: str, name: str, *, purgers: tuple[str, ...] = (LOOPBACK,)) -> Iterator[Edge]:
    """Varnish as we ship it, before the bucket `name` of the store at host:port."""
    with tempfile.TemporaryDirectory(prefix="varnish-") as home:
        port = _free()
        Path(home, "edge.vcl").write_text(varnish.configuration(store, name, purgers=purgers), encoding="utf-8")
        program = [
            *(_program("varnishd"), "-F", "-n", f"{home}/work", "-f", f"{home}/edge.vcl", "-a", f"{LOOPBACK}:{port}"),
            *("-s", "malloc,64m", "-j", "none", "-p", "feature=+http2", "-T", "none"),
        ]
        with running(program, port) as edge:
            yield edge


@contextmanager
def start_caddy(store: str, name: str) -> Iterator[Edge]:
    """Caddy as `publisher up` has it, before the bucket `name` of the store at host:port."""
    with tempfile.TemporaryDirectory(prefix="caddy-") as home:
        port = _free()
        Path(home, "Caddyfile").write_text(caddy.caddyfile(port, store, name), encoding="utf-8")
        environ = os.environ | {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        program = [binary("caddy"), "run", "--adapter", "caddyfile", "--config", f"{home}/Caddyfile"]
        with running(program, port, environ) as edge:
            yield edge


Start = Callable[[str, str], AbstractContextManager[Edge]]
KINDS: Mapping[str, Start] = {
    "bare nginx": start_bare_nginx,
    "nginx": start_nginx,
    "Varnish": start_varnish,
    "Caddy": start_caddy,
}


@contextmanager
def running(
    program: Sequence[str], port: int, environ: Mapping[str, str] | None = None, host: str = LOOPBACK
) -> Iterator[Edge]:
    """A program that listens on `port`, until the block ends. StackError with what it said when it does not start."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(program, stdout=said, stderr=said, env=environ)
        try:
            until = time.monotonic() + START_SECONDS
            while is_free(port, host):
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    raise StackError(f"{program[0]} does not listen on {host}:{port}: {said.read().decode()}")
                time.sleep(0.05)
            yield Edge(port, process, host)
        finally:
            end(process)


@contextmanager
def _nginx(home: str, text: str, port: int, host: str = LOOPBACK) -> Iterator[Edge]:
    Path(home, "nginx.conf").write_text(text, encoding="utf-8")
    program = [_program("nginx"), "-c", f"{home}/nginx.conf", "-e", f"{home}/error.log", "-g", "daemon off;"]
    with running(program, port, host=host) as edge:
        yield edge


def _user() -> str:
    return "root" if os.geteuid() == 0 else ""


def _free(host: str = LOOPBACK) -> int:
    return kept_or_new(0, lambda port: is_free(port, host), ())


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise StackError(f"the program {name} is missing; install it with: apt-get install {name.removesuffix('d')}")
    return found
