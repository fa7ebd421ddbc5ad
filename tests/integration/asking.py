"""What the integration tests ask of real servers: a request as typed, a PUT, a wait with a deadline."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import obstore
from obstore.exceptions import NotFoundError
from obstore.store import S3Store

from publisher.settings import Settings
from publisher.site import sync_wire


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request as typed: no cleaning of the path, no redirect followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        twice = [pair for pair in response.getheaders() if fields[pair[0].lower()] != pair[1]]
        assert not twice, f"a header twice, and not the same: {twice}"
        return Answer(response.status, fields, response.read())
    finally:
        connection.close()


def bucket(planned: Settings) -> S3Store:
    s3 = planned.s3
    return S3Store(
        s3.bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key,
        secret_access_key=s3.secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def put(store: S3Store, key: str, body: bytes, content_type: str = "text/html; charset=utf-8") -> None:
    attributes = {"Content-Type": content_type, "Cache-Control": "public, max-age=30"}
    obstore.put(store, key, body, attributes=attributes)


def as_new(planned: Settings) -> None:
    """Let the bucket tell of no head: whoever publishes there next, with whatever database, may."""
    with suppress(NotFoundError):
        obstore.delete(bucket(planned), sync_wire.HEAD)


def until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
