"""One contract for every CDN: what is purged is fetched anew, a refusal is a PurgeError, and no credential is told.

nginx and Varnish are the real ones. Cloudflare, Fastly, Bunny and CloudFront are servers that answer in the shapes of
their documented interfaces and keep pages as an edge would.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.delivery.cdn import Cdn, cloudfront, tag
from publisher.delivery.cdn.bunny import Bunny
from publisher.delivery.cdn.cloudflare import Cloudflare
from publisher.delivery.cdn.cloudfront import CloudFront
from publisher.delivery.cdn.fastly import Fastly
from publisher.delivery.cdn.proxies import Nginx, Varnish
from publisher.errors import PurgeError
from tests.integration.asking import ask
from tests.integration.test_caching_edges import keep, origin_server
from tests.serving import serving

SECRET = "s3cret-token-that-nobody-may-see"
SITE = "https://reviews.example"
PAGES = ("/", "/reviews/a/", "/content", "/feed.xml")
TOLD = {
    "/user/tokens/verify": b'{"success":true,"errors":[],"messages":[],"result":{"id":"t1","status":"active"}}',
    "/tokens/self": b'{"id":"t1","user_id":"u1","scope":"purge_select purge_all","services":["s1"],"expires_at":null}',
    "/pullzone/42": b'{"Id":42,"Name":"r","Enabled":true,"Hostnames":[{"Id":1,"Value":"reviews.example"}]}',
}
"""What is told of a credential where it is asked for, in the shapes of the documented interfaces."""


class Keeping(ThreadingHTTPServer):
    """The purge interface of a CDN and its one edge: the addresses that it keeps; `refusal` is what it says instead."""

    daemon_threads = True

    def __init__(self, handler: Callable[..., _Interface]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.kept = set(PAGES)
        self.references: list[str] = []
        self.refusal: tuple[int, dict[str, str], bytes] | None = None
        self.told = dict(TOLD)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Interface(BaseHTTPRequestHandler, abc.ABC):
    server: Keeping

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refusal is not None:
            status, headers, text = self.server.refusal
        elif self.path in self.server.told:
            assert self.command == "GET"
            status, headers, text = 200, {"Content-Type": "application/json"}, self.server.told[self.path]
        else:
            headers = {"Content-Type": self.content_type}
            status, text = self.purged(body)
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(text))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET = answer  # noqa: N815 — names that the base class calls
    content_type: ClassVar[str] = "application/json"

    @abc.abstractmethod
    def purged(self, body: bytes) -> tuple[int, bytes]:
        """What a purge is answered with: status and body."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


class _Cloudflare(_Interface):
    def purged(self, body: bytes) -> tuple[int, bytes]:
        assert self.path == "/zones/z1/purge_cache"
        assert self.headers["Authorization"] == f"Bearer {SECRET}"
        said = msgspec.json.decode(body)
        if said.get("purge_everything"):
            self.server.kept.clear()
        elif len(said["files"]) > 100:
            return 400, b'{"success":false,"errors":[{"code":1094,"message":"too many files"}],"result":null}'
        for url in said.get("files", ()):
            assert url.startswith(SITE)
            self.server.kept.discard(urlsplit(url).path)
        return 200, b'{"success":true,"errors":[],"messages":[],"result":{"id":"z1"}}'


class _Fastly(_Interface):
    def purged(self, body: bytes) -> tuple[int, bytes]:
        assert self.headers["Fastly-Key"] == SECRET
        if self.path == "/service/s1/purge_all":
            self.server.kept.clear()
            return 200, b'{"status":"ok"}'
        assert self.path == "/service/s1/purge"
        keys = msgspec.json.decode(body)["surrogate_keys"]
        if len(keys) > 256:
            return 400, b'{"msg":"Bad request","detail":"too many keys"}'
        assert "missing" in keys
        self.server.kept -= {address for address in self.server.kept if tag(address) in keys}
        return 200, msgspec.json.encode(dict.fromkeys(keys, "1-2-3"))


class _Bunny(_Interface):
    def purged(self, body: bytes) -> tuple[int, bytes]:
        assert self.headers["AccessKey"] == SECRET
        asked = urlsplit(self.path)
        if asked.path == "/pullzone/42/purgeCache":
            self.server.kept.clear()
            return 204, b""
        assert asked.path == "/purge"
        said = dict(parse_qsl(asked.query))
        assert said["url"].startswith(SITE)
        path = urlsplit(said["url"]).path
        below = path.endswith("/") and said.get("exactPath") != "true"
        self.server.kept -= {kept for kept in self.server.kept if kept == path or (below and kept.startswith(path))}
        return 200, b""


class _CloudFront(_Interface):
    content_type = "text/xml"

    def purged(self, body: bytes) -> tuple[int, bytes]:
        names = "{http://cloudfront.amazonaws.com/doc/2020-05-31/}"
        if self.path == f"/2020-05-31/distribution/d1/invalidation/{cloudfront.NOTHING}":
            return 404, _error("NoSuchInvalidation", "The specified invalidation does not exist.")
        assert re.fullmatch(r"/2020-05-31/distribution/d1/invalidation(/i1)?", self.path)
        if self.command == "POST":
            said = ElementTree.fromstring(body)
            paths = [item.text or "" for item in said.iter(f"{names}Path")]
            self.server.references.append(said.findtext(f"{names}CallerReference", ""))
            assert said.findtext(f"{names}Paths/{names}Quantity") == str(len(paths))
            self.server.kept = set() if paths == ["/*"] else self.server.kept - set(paths)
        status = "InProgress" if self.command == "POST" else "Completed"
        space = names.strip("{}")
        return (201 if self.command == "POST" else 200), (
            f'<?xml version="1.0"?><Invalidation xmlns="{space}"><Id>i1</Id><Status>{status}</Status>'
            "<CreateTime>2026-03-01T12:00:00Z</CreateTime><InvalidationBatch><Paths><Quantity>0</Quantity></Paths>"
            "<CallerReference>r</CallerReference></InvalidationBatch></Invalidation>"
        ).encode()


def _error(code: str, message: str) -> bytes:
    """An answer of CloudFront's that says what is wrong."""
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


class Edge(msgspec.Struct, frozen=True):
    """A CDN under test, and whether readers of an address would get what it kept when the test began."""

    cdn: Cdn
    keeps: Callable[[str], bool]


@pytest.fixture(params=["cloudflare", "fastly", "bunny", "cloudfront"])
def hosted(request: pytest.FixtureRequest, credentials: None) -> Iterator[tuple[Cdn, Keeping]]:
    """Each CDN of somebody else, and the server that stands for it."""
    with _hosted(request.param) as found:
        yield found


@pytest.fixture(params=["cloudflare", "fastly", "bunny", "cloudfront", "nginx", "varnish"])
def edge(request: pytest.FixtureRequest, credentials: None) -> Iterator[Edge]:
    """Each CDN with all pages kept at its edge."""
    if request.param in ("nginx", "varnish"):
        with _own(request.param) as own:
            yield own
    else:
        with _hosted(request.param) as (cdn, server):
            yield Edge(cdn, lambda address: address in server.kept)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What boto3 finds by the usual chain."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@contextmanager
def _hosted(kind: str) -> Iterator[tuple[Cdn, Keeping]]:
    handlers: dict[str, Callable[..., _Interface]] = {
        "cloudflare": _Cloudflare, "fastly": _Fastly, "bunny": _Bunny, "cloudfront": _CloudFront,
    }  # fmt: skip
    with serving(Keeping(handlers[kind])) as server:
        cdns: dict[str, Callable[[], Cdn]] = {
            "cloudflare": lambda: Cloudflare("z1", SECRET, SITE, api=server.url),
            "fastly": lambda: Fastly("s1", SECRET, api=server.url),
            "bunny": lambda: Bunny("42", SECRET, SITE, api=server.url),
            "cloudfront": lambda: CloudFront("d1", endpoint=server.url),
        }
        yield cdns[kind](), server


@contextmanager
def _own(kind: str) -> Iterator[Edge]:
    start, adapter = {"nginx": (start_nginx, Nginx), "varnish": (start_varnish, Varnish)}[kind]
    with origin_server() as origin, start(f"127.0.0.1:{origin.server_address[1]}", "site") as running:
        for address in PAGES:
            keep(running.port, address)
        origin.body = b"two"
        cdn = adapter([f"http://127.0.0.1:{running.port}"], "reviews.example")
        yield Edge(cdn, lambda address: ask(running.port, address).body == b"one")


def test_edges_are_asked_at_once_and_one_that_is_gone_holds_up_no_other() -> None:
    with origin_server() as origin, start_nginx(f"127.0.0.1:{origin.server_address[1]}", "site") as running:
        for address in PAGES:
            keep(running.port, address)
        origin.body = b"two"
        cdn = Nginx(["http://127.0.0.1:9", f"http://127.0.0.1:{running.port}"], "reviews.example")
        with pytest.raises(PurgeError, match="nginx at "):
            cdn.purge(PAGES, "r1")
        assert [ask(running.port, address).body for address in PAGES] == [b"two"] * len(PAGES)


def test_what_is_purged_is_forgotten_and_the_rest_is_kept(edge: Edge) -> None:
    ticket = edge.cdn.purge(["/reviews/a/", "/content"], "r1")
    assert not ticket or edge.cdn.done(ticket)
    assert [edge.keeps(address) for address in PAGES] == [True, False, False, True]


def test_the_purge_of_the_home_page_leaves_what_is_below_it(edge: Edge) -> None:
    edge.cdn.purge(["/"], "r1")
    assert [edge.keeps(address) for address in PAGES] == [False, True, True, True]


def test_purging_what_is_not_kept_is_no_error(edge: Edge) -> None:
    edge.cdn.purge(["/never/"], "r1")
    edge.cdn.purge(["/never/"], "r1")
    assert edge.keeps("/")


def test_all_is_forgotten_at_once_where_that_can_be(edge: Edge) -> None:
    if not edge.cdn.limits.whole_above:
        with pytest.raises(PurgeError, match="empty the folder of its cache"):
            edge.cdn.purge_all("r1")
        return
    edge.cdn.purge_all("r1")
    assert sum(edge.keeps(address) for address in PAGES) == 0


def test_a_full_batch_is_taken(edge: Edge) -> None:
    edge.cdn.purge([f"/tags/{number}/" for number in range(edge.cdn.limits.batch - 1)] + ["/"], "r1")
    assert not edge.keeps("/")


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "17"}, 17.0),
        (429, {}, 60.0),
        (503, {"Retry-After": "soon"}, 60.0),
        (403, {}, None),
        (500, {}, None),
    ],
)
def test_a_refusal_says_when_to_try_again_and_not_the_credential(
    hosted: tuple[Cdn, Keeping], status: int, headers: dict[str, str], seconds: float | None
) -> None:
    cdn, server = hosted
    server.refusal = (status, headers, b"no")
    with pytest.raises(PurgeError) as refused:
        cdn.purge(["/"], "r1")
    assert refused.value.retry_after == (seconds if cdn.name != "cloudfront" else None)
    assert SECRET not in str(refused.value)


def test_cloudfront_says_that_too_many_are_in_progress(credentials: None) -> None:
    with _hosted("cloudfront") as (cdn, server):
        said = b"<ErrorResponse><Error><Code>TooManyInvalidationsInProgress</Code></Error></ErrorResponse>"
        server.refusal = (400, {"Content-Type": "text/xml"}, said)
        with pytest.raises(PurgeError, match="TooManyInvalidationsInProgress") as refused:
            cdn.purge(["/"], "r1")
        assert refused.value.retry_after == 60


def test_an_edge_that_is_gone_is_a_purge_error() -> None:
    for cdn in (Nginx(["http://127.0.0.1:9"], "x"), Cloudflare("z", SECRET, SITE, api="http://127.0.0.1:9")):
        with pytest.raises(PurgeError) as refused:
            cdn.purge(["/"], "r1")
        assert SECRET not in str(refused.value)


def test_cloudflare_may_refuse_with_success() -> None:
    with serving(Keeping(_Cloudflare)) as server:
        server.refusal = (200, {}, b'{"success":false,"errors":[{"code":7003,"message":"no zone"}]}')
        with pytest.raises(PurgeError, match="7003 no zone"):
            Cloudflare("z1", SECRET, SITE, api=server.url).purge(["/"], "r1")


def test_an_invalidation_made_again_has_the_same_reference(credentials: None) -> None:
    with _hosted("cloudfront") as (cdn, server):
        cdn.purge(["/"], "same")
        cdn.purge(["/"], "same")
        assert server.references == ["same", "same"]


def test_an_invalidation_that_the_distribution_knows_nothing_of_is_not_done_and_no_failure(credentials: None) -> None:
    with _hosted("cloudfront") as (cdn, _):
        assert cdn.done(cdn.purge(["/"], "r")) is True
        assert cdn.done(cloudfront.NOTHING) is None


def test_a_credential_is_checked_and_nothing_is_purged(edge: Edge) -> None:
    assert edge.cdn.check()
    assert [edge.keeps(address) for address in PAGES] == [True] * len(PAGES)


@pytest.mark.parametrize("status", [401, 403])
def test_a_credential_that_is_refused_is_told_of_but_not_shown(hosted: tuple[Cdn, Keeping], status: int) -> None:
    cdn, server = hosted
    server.refusal = (status, {"Content-Type": "text/xml"}, _error("AccessDenied", "no"))
    with pytest.raises(PurgeError) as refused:
        cdn.check()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "path", "told", "said"),
    [
        ("cloudflare", "/user/tokens/verify", b'{"success":true,"result":{"status":"expired"}}', "is expired"),
        ("cloudflare", "/user/tokens/verify", b'{"success":true,"result":null}', "is unknown"),
        ("cloudflare", "/user/tokens/verify", b"<html>", "none of its interface"),
        ("fastly", "/tokens/self", b'{"scope":"global:read","services":[]}', "may global:read, and needs purge_select"),
        ("fastly", "/tokens/self", b'{"scope":"purge_select purge_all","services":["other"]}', "for other services"),
        ("bunny", "/pullzone/42", b'{"Hostnames":[{"Value":"r.b-cdn.net"}]}', "does not serve reviews.example"),
    ],
)
def test_what_a_credential_is_not_good_for_is_told(
    credentials: None, kind: str, path: str, told: bytes, said: str
) -> None:
    with _hosted(kind) as (cdn, server):
        server.told[path] = told
        with pytest.raises(PurgeError, match=said):
            cdn.check()


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
def test_an_edge_that_does_not_know_the_purger_is_told_of(kind: str) -> None:
    start, adapter = {"nginx": (start_nginx, Nginx), "varnish": (start_varnish, Varnish)}[kind]
    with (
        origin_server() as origin,
        start(f"127.0.0.1:{origin.server_address[1]}", "site", purgers=("127.0.0.9",)) as running,
        pytest.raises(PurgeError, match="405"),
    ):
        adapter([f"http://127.0.0.1:{running.port}"], "reviews.example").check()
