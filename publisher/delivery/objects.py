"""`build/objects`: every rendered body under its own digest, written once, proved at every reading.

A file is complete when its bytes hash to its name. A crash can leave a torn file under a good name; reading finds that
out, so that neither writing nor renaming has to be made durable one file at a time.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from publisher.errors import BuildError, DamagedObjectError


class Objects:
    """The content-addressed store below `folder`; safe to share among threads and processes."""

    def __init__(self, folder: Path | str) -> None:
        self._root = str(Path(folder) / "objects")
        if not Path(self._root, "ff").is_dir():
            for number in range(256):
                Path(self._root, f"{number:02x}").mkdir(parents=True, exist_ok=True)

    def put(self, body: bytes) -> str:
        """Store a body and return its digest (SHA-256, hex); a body that is there already is not written again."""
        digest = hashlib.sha256(body).hexdigest()
        path = self._path(digest)
        try:
            if not self._holds(path, body):
                _write(path, body)
        except OSError as error:
            raise BuildError(f"cannot write to the build store: {error.strerror}; make room and build again") from error
        return digest

    def get(self, digest: str) -> bytes:
        """The body under a digest. Raises DamagedObjectError when it is missing or its bytes are not those."""
        try:
            with open(self._path(digest), "rb") as file:  # noqa: PTH123 - a Path costs more than the read
                body = file.read()
        except OSError as error:
            raise DamagedObjectError(digest) from error
        if hashlib.sha256(body).hexdigest() != digest:
            raise DamagedObjectError(digest)
        return body

    def discard(self, digest: str) -> None:
        """Remove a damaged body, so that the next `put` writes it again."""
        Path(self._path(digest)).unlink(missing_ok=True)

    def _holds(self, path: str, body: bytes) -> bool:
        """Whether the file is there and whole: a crash may have torn one of the right size."""
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a Path costs more than the read
                return file.read() == body
        except FileNotFoundError:
            return False

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest[2:]}"


def _write(path: str, body: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)
