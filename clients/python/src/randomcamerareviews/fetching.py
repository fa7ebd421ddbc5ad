"""Fetching over HTTP with the standard library: bounded, packed where the edge does so, no redirect followed."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from randomcamerareviews.errors import RefusedError, UnreachableError

CHUNK = 65_536


class Fetch(Protocol):
    """How a client gets the bytes at a path of the site; UnreachableError when it cannot."""

    def __call__(self, path: str, limit: int) -> bytes: ...


class Http:
    """A connection to a site that stays open; `wire_bytes` counts what came through it."""

    def __init__(self, site: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(site)
        kinds = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
        if parts.scheme not in kinds or not parts.netloc:
            raise ValueError(f"{site!r} is not the address of a site")
        self._connection = kinds[parts.scheme](parts.netloc, timeout=timeout)
        self._base = parts.path.rstrip("/")
        self.wire_bytes = 0

    def __call__(self, path: str, limit: int) -> bytes:
        """The bytes at `path`; RefusedError as soon as they are more than `limit`."""
        try:
            self._connection.request("GET", self._base + path, headers={"Accept-Encoding": "gzip"})
            answer = self._connection.getresponse()
            if answer.status != 200:
                code = "missing" if answer.status in (403, 404, 410) else "unreachable"
                raise UnreachableError(code, f"{path} is answered with {answer.status}")
            return b"".join(self._decoded(answer, limit))
        except (OSError, http.client.HTTPException, zlib.error) as error:
            self._connection.close()
            raise UnreachableError("unreachable", f"{path}: {error!r}") from error
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _decoded(self, answer: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
        packed = answer.getheader("Content-Encoding", "identity")
        if packed not in ("identity", "gzip"):
            raise UnreachableError("unreachable", f"the answer is packed with {packed}, which was not asked for")
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        size = came = 0
        while chunk := answer.read(CHUNK):
            self.wire_bytes += len(chunk)
            came += len(chunk)
            while chunk:
                piece, chunk = chunk, b""
                if packed == "gzip":
                    piece, chunk = unpack.decompress(piece, CHUNK), unpack.unconsumed_tail
                size += len(piece)
                if size > limit or came > limit + CHUNK:
                    raise RefusedError("oversized", f"more than {limit} bytes")
                yield piece
            if unpack.unused_data:
                raise UnreachableError("unreachable", "more comes after the end of the packed answer")
        if answer.length or (packed == "gzip" and not unpack.eof):
            raise UnreachableError("unreachable", "the answer ended too early")
