"""Front matter: what a Markdown file says of itself above its text, in YAML (`---`) or TOML (`+++`).

Only plain data is read. YAML is bounded before anything is built from it: in size, in depth (the parser would recurse),
and in aliases (a few dozen of them can stand for gigabytes).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import yaml

from publisher.errors import ImportSourceError

MAX_SIZE = 64_000
MAX_DEPTH = 20
MAX_ALIASES = 10

_FENCE = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\r?\n")
_ZONE = re.compile(r"\s*([+-]\d\d:?\d\d|Z)(?: UTC)?$")
_FORMATS = (
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%d %b %Y",
)
_YEARS = range(1900, 2200)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def split(source: str) -> tuple[dict[str, Any], str]:
    """The fields above a text and the text itself; no fields when it does not begin with a fence.

    Raises ImportSourceError when the fields never end, are too large or are not what the fence announces.
    """
    opening = _FENCE.match(source)
    if opening is None:
        return {}, source.removeprefix("\ufeff")
    closing = re.compile(rf"^{re.escape(opening[1])}[ \t]*(?:\r?\n|\Z)", re.MULTILINE).search(source, opening.end())
    if closing is None:
        if opening[1] == "---" and not re.match(r"[\w-]+[ \t]*:", source[opening.end() :]):
            return {}, source  # a thematic break, not front matter
        raise ImportSourceError(f"the front matter has no closing {opening[1]}")
    block = source[opening.end() : closing.start()]
    if len(block) > MAX_SIZE:
        raise ImportSourceError(f"the front matter has {len(block):,} characters; {MAX_SIZE:,} are allowed")
    fields = _yaml(block) if opening[1] == "---" else _toml(block)
    return fields, source[closing.end() :]


def join(fields: Mapping[str, Any], body: str) -> str:
    """A source that `split` takes apart into these fields, as YAML in this order, and this body.

    Line ends within a field other than a line feed (U+0085, U+2028, U+2029) may come back as spaces.
    """
    block = yaml.dump(dict(fields), Dumper=yaml.SafeDumper, allow_unicode=True, sort_keys=False, width=math.inf)
    return f"---\n{block}---\n{body}"


def _toml(block: str) -> dict[str, Any]:
    try:
        return tomllib.loads(block.replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise ImportSourceError(f"the front matter is not TOML: {error}") from error


def _yaml(block: str) -> dict[str, Any]:
    try:
        _bound(block)
        fields = yaml.load(block, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ImportSourceError(f"the front matter is not YAML: {reason}") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise ImportSourceError("the front matter is not a list of fields")
    return {str(name): value for name, value in fields.items()}


def _bound(block: str) -> None:
    """Refuse, from the stream of events (which needs no stack), what would be dangerous to build."""
    depth = aliases = 0
    for event in yaml.parse(block, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            raise ImportSourceError(
                f"the front matter nests deeper than {MAX_DEPTH} or has more than {MAX_ALIASES} aliases"
            )


def scalar(fields: Mapping[str, Any], *names: str) -> str:
    """The first of the fields that says something, as text without surplus space; empty when none does."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (str, int, float, date)):
            words = " ".join(str(value).split())
            if words:
                return words
        elif value != [] and value != {}:
            raise ImportSourceError(f"{name}: expected a text, got a {type(value).__name__}")
    return ""


def flag(value: Any) -> bool | None:
    """What a field says that is either so or not, in the ways of programs (`"true"`, `yes`, `1`); None otherwise."""
    return _FLAGS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None


def words(fields: Mapping[str, Any], *names: str) -> list[str]:
    """The members of all these fields: a list, or a text with commas between; people may be given as `{name: …}`."""
    found: dict[str, None] = {}
    for name in names:
        value = fields.get(name)
        members = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else [value]
        for member in members:
            if isinstance(member, Mapping):
                member = member.get("name")
            if isinstance(member, (str, int, float, date)) and not isinstance(member, bool):
                found.setdefault(" ".join(str(member).split()))
            elif member is not None:
                raise ImportSourceError(f"{name}: expected texts, got a {type(member).__name__}")
    found.pop("", None)
    return list(found)


def moment(value: Any) -> datetime | None:
    """The UTC moment that a date field means; UTC is assumed where it names no zone, None where there is no date.

    Raises ImportSourceError for anything that is not a date between 1900 and 2199.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _read(value.strip())
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ImportSourceError(f"date: {str(value)[:60]!r} is not a date")
    if value.year not in _YEARS:
        raise ImportSourceError(f"date: the year {value.year} cannot be right")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _read(words: str) -> datetime:
    tidy = _ZONE.sub(r"\1", words)
    for read in (datetime.fromisoformat, *(_by(form) for form in _FORMATS), parsedate_to_datetime):
        try:
            return read(tidy)
        except (ValueError, IndexError, TypeError):
            continue
    raise ImportSourceError(f"date: {words[:60]!r} is not a date")


def _by(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)  # noqa: DTZ007 a zone is assumed by the caller
