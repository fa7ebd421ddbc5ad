"""A reader that reads everything: every address of the sitemap through the edge, and every internal link on the way."""

from __future__ import annotations

import http.client
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import msgspec

_LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"
_LINKS = {"a": "href", "link": "href", "script": "src", "img": "src"}


class Answer(msgspec.Struct, frozen=True):
    """What the edge answered."""

    status: int
    body: bytes
    headers: dict[str, str]


class Edge:
    """A connection to an edge that stays open; `headers` go with each request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url, self._headers = url, dict(headers or {})
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def get(self, path: str) -> Answer:
        """The answer for `path`, redirects not followed."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return Answer(answer.status, body, {name.lower(): value for name, value in answer.getheaders()})

    def close(self) -> None:
        self._connection.close()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == _LINKS.get(tag) and value:
                self.found.add(value)


def sitemap(edge: Edge, site_url: str) -> Iterator[str]:
    """Every path that the sitemap and its shards name."""
    index = ElementTree.fromstring(edge.get("/sitemap.xml").body)
    for shard in index.iter(_LOC):
        path = _own(shard.text or "", site_url)
        assert path is not None
        for entry in ElementTree.fromstring(edge.get(path).body).iter(_LOC):
            found = _own(entry.text or "", site_url)
            assert found is not None, entry.text
            yield found


def links(page: str, body: bytes, site_url: str) -> set[str]:
    """Paths of this site that an HTML page leads to."""
    parser = _Links()
    parser.feed(body.decode("utf-8"))
    found = {_own(urljoin(site_url + page, link), site_url) for link in parser.found}
    return {path for path in found if path is not None}


def crawl(edge: Edge, site_url: str, start: list[str]) -> dict[str, Answer]:
    """Everything that can be reached from `start` by internal links."""
    answers: dict[str, Answer] = {}
    waiting = list(dict.fromkeys(start))
    while waiting:
        path = waiting.pop()
        if path in answers:
            continue
        answer = answers[path] = edge.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            waiting += [link for link in links(path, answer.body, site_url) if link not in answers]
    return answers


def _own(url: str, site_url: str) -> str | None:
    if not (url + "/").startswith(site_url + "/"):
        return None
    return urlsplit(url.removeprefix(site_url) or "/")._replace(fragment="", query="").geturl()
