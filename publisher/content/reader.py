"""Read documents from a folder or file, in a stable order: the oldest first, then by path, undated ones last.

Two passes keep memory small: the first reads what each file says of itself and remembers where it lies, the second
reads the texts one by one. What cannot be read becomes a Problem with its reason, in its place among the documents.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import frontmatter
from publisher.content.model import State
from publisher.errors import ImportSourceError

MAX_BYTES = 4_000_000
"""Of one Markdown file, or of one line of JSON."""
MARKDOWN = frozenset({".md", ".markdown"})
JSON_LINES = ".jsonl"

_JEKYLL = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})-(.+)")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+([^\n]+)$", re.MULTILINE)
_UNNAMED = frozenset({"index", "_index", "readme"})
_NEVER = datetime.max.replace(tzinfo=UTC)
_HIDDEN = frozenset({State.draft, State.archived})
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says, as it says it; nothing is checked against the rules of a review yet."""

    path: str
    line: int | None = None
    origin: str
    title: str
    slug: str = ""
    lang: str
    date: datetime | None = None
    draft: bool = False
    summary: str = ""
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    camera: str = ""
    lens: str = ""
    product: str = ""
    rating: float | None = None
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    body: str


class Problem(msgspec.Struct, frozen=True):
    """A document that could not be imported: its path, its line (of JSON lines), and why."""

    path: str
    line: int | None
    reason: str


class _Found(msgspec.Struct, frozen=True):
    """Where a document lies: its file, and for JSON lines the number and the bytes of its line."""

    date: datetime
    path: str
    line: int | None = None
    offset: int = 0
    size: int = 0
    problem: str = ""


class Documents:
    """The documents of a folder or file; may be gone through more than once, and knows how many there are."""

    def __init__(self, root: Path, source: str, lang: str) -> None:
        self._root = root if root.is_dir() else root.parent
        self._source = source or self._root.resolve().name
        self._lang = lang
        found = [item for path in _files(root) for item in self._look(path)]
        self._found = sorted(found, key=lambda item: (item.date, item.path, item.line or 0))

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Document | Problem]:
        for item in self._found:
            yield Problem(item.path, item.line, item.problem) if item.problem else self._read(item)

    def _look(self, path: Path) -> Iterator[_Found]:
        name = path.relative_to(self._root).as_posix()
        if not _is_text(name):
            shown = name.encode("utf-8", "replace").decode()
            yield _Found(date=_NEVER, path=shown, problem="its name is not UTF-8; rename it")
            return
        if path.suffix.lower() == JSON_LINES:
            yield from self._look_at_lines(path, name)
            return
        item = self._read(_Found(date=_NEVER, path=name))
        yield _Found(
            date=(item.date or _NEVER) if isinstance(item, Document) else _NEVER,
            path=name,
            problem=item.reason if isinstance(item, Problem) else "",
        )

    def _look_at_lines(self, path: Path, name: str) -> Iterator[_Found]:
        offset, known = 0, False
        try:
            with path.open("rb") as file:
                for number, size, line in _lines(file):
                    item = _Found(date=_NEVER, path=name, line=number, offset=offset, size=size)
                    offset += size
                    if not line.strip():
                        continue
                    if not known and not _is_document(line):
                        yield _Found(date=_NEVER, path=name, problem="its lines have neither content nor body")
                        return
                    known = True
                    document = self._parse(item, line)
                    if isinstance(document, Problem):
                        yield msgspec.structs.replace(item, problem=document.reason)
                    else:
                        yield msgspec.structs.replace(item, date=document.date or _NEVER)
        except OSError as error:
            yield _Found(date=_NEVER, path=name, problem=f"cannot be read: {error.strerror}")

    def _read(self, item: _Found) -> Document | Problem:
        path = self._root / item.path
        try:
            if item.line is None and path.stat().st_size > MAX_BYTES:
                return Problem(item.path, None, f"larger than {MAX_BYTES:,} bytes")
            with path.open("rb") as file:
                file.seek(item.offset)
                raw = file.read(item.size or MAX_BYTES)
        except OSError as error:
            return Problem(item.path, item.line, f"cannot be read: {error.strerror}")
        return self._parse(item, raw)

    def _parse(self, item: _Found, raw: bytes) -> Document | Problem:
        try:
            if item.line is not None and len(raw) > MAX_BYTES:
                raise ImportSourceError(f"longer than {MAX_BYTES:,} bytes")
            text = raw.decode("utf-8")
            if item.line is None:
                fields, body = frontmatter.split(text)
            else:
                fields = _OBJECT.decode(text.removeprefix("\ufeff"))
                body = fields.get("content") or fields.get("body") or ""
            if not isinstance(body, str):
                raise ImportSourceError("content: expected a text")
            body = body.replace("\r\n", "\n")
            fields["date"] = fields.get("publish_at") or fields.get("date")
            return document(item.path, fields, body, line=item.line, source=self._source, lang=self._lang)
        except UnicodeDecodeError as error:
            reason = f"not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}; save it as UTF-8"
        except (msgspec.DecodeError, RecursionError) as error:
            reason = f"not a JSON object: {error}"
        except (ValueError, OverflowError) as error:
            reason = f"a value cannot be read: {error}"
        except ImportSourceError as error:
            reason = str(error)
        return Problem(item.path, item.line, reason)


def read(path: Path | str, *, source: str = "", lang: str = "es") -> Documents:
    """The documents at `path`, a folder with all below it or one file; ImportSourceError when there is nothing.

    `source` names where they come from, the folder's own name by default; `lang` is said of those that say none.
    """
    root = Path(path)
    if not root.exists():
        raise ImportSourceError(f"{root} does not exist")
    return Documents(root, source, lang)


def document(
    path: str, fields: Mapping[str, Any], body: str, *, line: int | None = None, source: str = "", lang: str = ""
) -> Document:
    """What a file at `path` says with these fields above this body; ImportSourceError when that is no document.

    `source` and `lang` as in `read`; a language that nobody says is empty.
    """
    if not body.strip():
        raise ImportSourceError("has no text")
    place = Path(path)
    dated = _JEKYLL.fullmatch(place.stem)
    stem = dated[2] if dated else place.parent.name if place.stem.lower() in _UNNAMED else place.stem
    stem = stem if line is None else ""
    heading = _HEADING.search(body[:20_000])
    title = frontmatter.scalar(fields, "title") or (heading[1].rstrip(" \t#") if heading else "") or _spaced(stem)
    if not title:
        raise ImportSourceError("has no title")
    taxonomies = fields.get("taxonomies")
    both = {**taxonomies, **fields} if isinstance(taxonomies, Mapping) else fields
    slug = frontmatter.scalar(fields, "slug") or ("" if stem.replace("-", "").isdigit() else stem)
    mark = "" if line is None else "#" + (frontmatter.scalar(fields, "id", "slug") or str(line))
    return Document(
        path=path, line=line, origin=f"{source}:{path}{mark}", title=title, slug=slug,
        lang=frontmatter.scalar(fields, "lang", "language") or lang,
        date=frontmatter.moment(fields.get("date") or fields.get("published_at") or (dated[1] if dated else None)),
        draft=_is_draft(fields) or "_drafts" in place.parts,
        summary=frontmatter.scalar(fields, "summary", "description"),
        authors=tuple(frontmatter.words(fields, "authors", "author")),
        tags=tuple(frontmatter.words(both, "tags", "tag", "categories", "category")),
        camera=_product(fields, "camera"), lens=_product(fields, "lens"), product=_product(fields, "product"),
        rating=_rating(fields.get("rating")), pros=_points(fields, "pros"), cons=_points(fields, "cons"), body=body,
    )  # fmt: skip


def _is_text(name: str) -> bool:
    """Whether a file's name is characters; one in another encoding than UTF-8 comes with halves of characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _files(root: Path) -> Iterator[Path]:
    """Regular files that can be documents, below folders that are not hidden; links are not followed."""
    if root.is_file():
        if root.suffix.lower() not in MARKDOWN | {JSON_LINES}:
            raise ImportSourceError(f"{root.name} is neither Markdown (.md, .markdown) nor JSON lines (.jsonl)")
        yield root
        return
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in MARKDOWN | {JSON_LINES} and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _lines(file: Any) -> Iterator[tuple[int, int, bytes]]:
    """Number, size and bytes of each line; of one too long, only enough bytes to see that it is."""
    number = 0
    while line := file.readline(MAX_BYTES + 1):
        number, size = number + 1, len(line)
        while not line.endswith(b"\n") and (more := file.readline(MAX_BYTES)):
            size += len(more)
            if more.endswith(b"\n"):
                break
        yield number, size, line


def _is_document(line: bytes) -> bool:
    """Whether a file whose first line this is can hold documents; lines of something else are one problem, not many."""
    try:
        return not _OBJECT.decode(line.removeprefix(BOM_UTF8)).keys().isdisjoint(("content", "body"))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return True


def _spaced(stem: str) -> str:
    words = re.sub(r"[-_]+", " ", stem).strip()
    return words[:1].upper() + words[1:]


def _product(fields: Mapping[str, Any], kind: str) -> str:
    value = next((fields[name] for name in (kind, f"{kind}_model") if fields.get(name)), None)
    if isinstance(value, Mapping):
        return " ".join(
            part for part in (frontmatter.scalar(value, "brand"), frontmatter.scalar(value, "model")) if part
        )
    return frontmatter.scalar({kind: value}, kind)


def _points(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    return tuple(frontmatter.words({name: [value] if isinstance(value, str) else value}, name))


def _is_draft(fields: Mapping[str, Any]) -> bool:
    """Whether a document is not to be shown; ImportSourceError when that is said in words nobody understands."""
    said = fields.get("draft")
    draft = frontmatter.flag(said)
    if draft is None and said not in (None, ""):
        raise ImportSourceError(f"draft: {str(said)[:40]!r} is neither true nor false")
    state = frontmatter.scalar(fields, "state").lower()  # a word of ours; elsewhere it may be where a picture was taken
    is_hidden = state in _HIDDEN or (state == State.scheduled and not fields.get("publish_at"))
    return bool(draft) or frontmatter.flag(fields.get("published")) is False or is_hidden


def _rating(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        raise ImportSourceError(f"rating: {str(value)[:40]!r} is not a number") from None
