"""Targets: places that hold the site. A bucket (`publisher.delivery.s3`), or a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from publisher.errors import TargetError

HIDDEN = ".publisher/"
"""What keys begin with that are no part of the site, and that no listing names."""


class Read(msgspec.Struct, frozen=True):
    """An object as it was read; `headers` are Content-Type and Cache-Control, None where a target keeps none."""

    body: bytes
    headers: tuple[str, str] | None


class Target(Protocol):
    """A place that holds the site under keys. Every failure is a TargetError."""

    name: str

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        """Store a body with its headers, replacing what was there; returns the ETag."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; one that is not there is removed already."""

    def get(self, key: str) -> bytes | None:
        """The body under a key; None when there is none."""

    def read(self, key: str) -> Read | None:
        """The object under a key; None when there is none."""

    def keys(self) -> Iterator[str]:
        """Every key that is held: for verification, never for publishing."""

    def listed(self) -> Iterator[tuple[str, int]]:
        """The same, with the size of each body in bytes."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a key holds: its tag for conditions, the note of who put it, and the body where it was asked for."""

    tag: str
    note: str = ""
    body: bytes = b""


class Conditional(Target, Protocol):
    """A target that writes under conditions."""

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        """Store a body with its headers and a note where the key holds what has `tag`, or nothing (None).

        Returns the new tag. Raises RefusedError where the key holds something else.
        """

    def look(self, key: str, *, with_body: bool = True) -> Found | None:
        """What a key holds; None when it holds nothing."""


@runtime_checkable
class Telling(Protocol):
    """A target that can be asked why it does not do what it is asked."""

    def diagnose(self) -> TargetError | None:
        """The reason, by the code that it answers; None when it answers as it should."""


class Folder:
    """A folder that any web server can serve; headers are not kept, each file replaces the old one at once."""

    def __init__(self, root: Path | str, name: str = "folder") -> None:
        self.name = name
        self._root = Path(root).absolute()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        """Store a body, replacing what was there; headers have no place in a folder."""
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(body)
            temporary.replace(path)
        except OSError as error:
            raise TargetError(f"{self.name}: cannot write {path}: {error.strerror}", "unwritable") from error
        return ""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys, and folders that are empty then."""
        for path in map(self._path, keys):
            try:
                path.unlink(missing_ok=True)
                for parent in path.parents:
                    if parent == self._root or not parent.is_dir() or any(parent.iterdir()):
                        break
                    parent.rmdir()
            except OSError as error:
                raise TargetError(f"{self.name}: cannot remove {path}: {error.strerror}") from error

    def get(self, key: str) -> bytes | None:
        """The body under a key; None when there is none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise TargetError(f"{self.name}: cannot read {key}: {error.strerror}") from error

    def read(self, key: str) -> Read | None:
        """The object under a key, without headers; None when there is none."""
        body = self.get(key)
        return None if body is None else Read(body, None)

    def keys(self) -> Iterator[str]:
        """Every key that is held."""
        yield from (key for key, _ in self.listed())

    def listed(self) -> Iterator[tuple[str, int]]:
        """Every key that is held, with the size of its body."""
        for path in sorted(self._root.rglob("*")):
            if path.is_file():
                yield path.relative_to(self._root).as_posix(), path.stat().st_size

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise TargetError(f"{self.name}: {key} leads out of the folder")
        return path
