"""Reviews as Markdown files: read with what their front matter says, written whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import frontmatter, reader, shortcodes
from publisher.content.ids import require_uuid7
from publisher.content.model import State
from publisher.desk import said
from publisher.desk.said import Said
from publisher.errors import DeskError, ImportSourceError, InvalidError, PublisherError

THEIRS = ".theirs.md"
"""How the file ends that holds the other version of a review in conflict."""
_STATES = [state.value for state in State if state is not State.deleted]
_FENCE = re.compile(rb"\A(?:\xef\xbb\xbf)?(---|\+\+\+)[ \t]*(\r?\n)")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A Markdown file: its path within its folder, the id that it names (or none), what it says of a review.

    `calls` counts the foreign shortcodes that became plain words.
    """

    path: str
    id: str = ""
    said: Said
    calls: int = 0


def read(root: Path, path: str, *, now: datetime, state: State | None = None) -> File:
    """The file at `path` below `root`; `state` is the state that it wants, whatever it says.

    Raises DeskError, ImportSourceError or InvalidError, each saying what to change.
    """
    raw = content(root / path)
    if len(raw) > reader.MAX_BYTES:
        raise ImportSourceError(f"larger than {reader.MAX_BYTES:,} bytes")
    try:
        return parse(path, raw.decode("utf-8"), now=now, state=state)
    except UnicodeDecodeError as error:
        raise ImportSourceError(f"not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}") from error


def content(path: Path) -> bytes:
    """The bytes of a file; DeskError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeskError(f"cannot be read: {error.strerror}") from error


def parse(path: str, source: str, *, now: datetime, state: State | None = None) -> File:
    """What the source of a file at `path` says; raises as `read` does."""
    fields, body = frontmatter.split(source)
    try:
        found = reader.document(path, fields, body.replace("\r\n", "\n"))
    except (ValueError, OverflowError) as error:
        raise ImportSourceError(f"a value cannot be read: {error}") from error
    if found.product:
        raise InvalidError("product", "say `camera` or `lens` instead")
    publish_at = None
    if state is None:
        state, publish_at = _state(fields, found, now)
    translation = shortcodes.translate(found.body)
    words = Said(
        title=found.title, content=translation.markdown, camera=found.camera, lens="" if found.camera else found.lens,
        slug=frontmatter.scalar(fields, "slug"), summary=found.summary, lang=found.lang, tags=found.tags,
        rating=found.rating, pros=found.pros, cons=found.cons, byline=", ".join(found.authors), state=state,
        publish_at=publish_at,
    )  # fmt: skip
    said.check(words)
    return File(path=path, id=_id(fields), said=words, calls=sum(translation.met.values()))


def _id(fields: Mapping[str, Any]) -> str:
    named = frontmatter.scalar(fields, "id")
    try:
        return require_uuid7(named, "id") if named else ""
    except InvalidError as error:
        raise InvalidError("id", "not the id of a review here; remove the line") from error


def _state(fields: Mapping[str, Any], found: reader.Document, now: datetime) -> tuple[State | None, datetime | None]:
    """The state that a file wants, if it says so, and the moment that goes with `scheduled`."""
    named, publish_at = frontmatter.scalar(fields, "state"), _moment(fields.get("publish_at"))
    if named not in ("", *_STATES):
        raise InvalidError("state", f"one of {', '.join(_STATES)}")
    if found.draft and not named:
        return State.draft, None
    if named in ("", State.scheduled) and publish_at is not None:
        return State.scheduled, publish_at
    if named == State.scheduled:
        raise InvalidError("publish_at", "say the moment to publish it, such as 2027-01-31 09:00:00-03:00")
    if not named and found.date is not None and found.date > now:
        raise InvalidError("date", "lies in the future: say `publish_at` to publish it then, or `draft: true`")
    if not named:
        shown = frontmatter.flag(fields.get("draft")) is False or frontmatter.flag(fields.get("published")) is True
        return State.published if shown else None, None
    return State(named), None


def _moment(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidError("publish_at", "a moment with its time zone, such as 2027-01-31 09:00:00-03:00")
    return moment.astimezone(UTC)


def source(review_id: str, words: Said) -> str:
    """The file that says this of a review: read again, it says the same."""
    fields: dict[str, Any] = {"id": review_id, "title": words.title}
    fields |= {name: getattr(words, name) for name in ("slug", "camera", "lens", "summary", "lang")}
    fields |= {name: list(getattr(words, name)) for name in ("tags", "pros", "cons")}
    fields |= {"rating": words.rating, "authors": [words.byline] if words.byline else []}
    fields |= {"state": words.state and words.state.value, "publish_at": words.publish_at}
    said_of = {name: value for name, value in fields.items() if value not in ("", None, [])}
    return frontmatter.join(said_of, words.content)


def with_id(raw: bytes, review_id: str) -> bytes:
    """The same file, its front matter beginning with this id; nothing else of it changes.

    Raises DeskError when its front matter cannot take another line.
    """
    opening = _FENCE.match(raw)
    if opening is None:
        return f"---\nid: {review_id}\n---\n".encode() + raw.removeprefix(b"\xef\xbb\xbf")
    line = f"id: {review_id}" if opening[1] == b"---" else f'id = "{review_id}"'
    changed = raw[: opening.end()] + line.encode() + opening[2] + raw[opening.end() :]
    try:
        fields, body = frontmatter.split(raw.decode("utf-8"))
        after, same = frontmatter.split(changed.decode("utf-8"))
    except PublisherError:
        after, same, fields, body = {}, "", {}, "?"
    if "id" in fields or after != {"id": review_id, **fields} or same != body:
        raise DeskError(f"its front matter takes no further line; write `{line}` into it yourself")
    return changed


def replace(path: Path, body: bytes, *, mode: int | None = None) -> None:
    """Put `body` in place of what is at `path` in one step, on disk when this returns; DeskError when it cannot be.

    `mode` are its permissions; without them those that it has, or that a new file has here.
    """
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _mode(path) if mode is None else mode)
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(fresh).replace(path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
        persist(path.parent)
    except OSError as error:
        raise DeskError(f"{path.name} cannot be written: {error.strerror}") from error


def persist(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mode(path: Path) -> int:
    """The permissions of a file that is replaced; those of a new file as usual here."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask
