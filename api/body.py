"""Read a JSON body strictly: whatever is wrong with it is a 400 that says what and, where there is one, in which field.

msgspec decodes straight into the wanted type, so nesting costs nothing: a value that is deeper than its type is refused
at its first bracket. Refused here is what msgspec lets pass and receivers of JSON disagree about: a field given twice
(RFC 8259, 4), and characters that no XML feed can carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO, DTOConfig
from litestar.exceptions import HTTPException
from litestar.typing import FieldDefinition

from api import choices
from publisher.errors import InvalidError

T = TypeVar("T")
WHOLE = "$"
"""The field that stands for the body as such."""

_AT = re.compile(r"(?P<reason>.*) - at `(?P<path>\$.*)`", re.DOTALL)
_MEMBER = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_JSON = rb"application/(?:%s\+)?json\s*(?:;\s*charset=\"?utf-?8\"?\s*)?"
_MEDIA_TYPE = re.compile(_JSON % rb"[\w.-]+", re.IGNORECASE)
_PATCH_TYPE = re.compile(_JSON % b"merge-patch", re.IGNORECASE)
PATCHES = "application/merge-patch+json, application/json"
"""What a PATCH may be (`Accept-Patch`, RFC 5789); above all no JSON Patch, which means something else."""
_BACKSLASH = ord("\\")
_HARMLESS = frozenset(b'"\\/nrt')
"""What may follow a backslash without standing for a forbidden character."""
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LAYOUTS = ((b'":', b","), (b'": ', b", "))
"""How programs write objects: without white space, or with a space after each colon and comma."""


class Reader(Generic[T]):
    """Decodes bodies of one type; InvalidError names the field and what is wrong with it."""

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._decode: Callable[[bytes], T] = msgspec.json.Decoder(model).decode

    def read(self, body: bytes) -> T:
        """The value that `body` says."""
        try:
            value = self._decode(body)
        except msgspec.ValidationError as error:
            raise mismatch(str(error), self._model) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(body, error) from error
        if _is_suspect(body):
            _refuse_characters(_strings(msgspec.to_builtins(value)))
        if not _is_plain_object(body):
            _refuse_repetition(body)
        return value


def _is_suspect(body: bytes) -> bool:
    """Whether a forbidden character may be in it, escaped or as it is; to be sure is five times the work."""
    if b"\xef" in body and b"\xef\xbf" in body:
        return True
    escapes = iter(body.split(b"\\"))
    next(escapes)
    return not _HARMLESS.issuperset({part[0] if part else _BACKSLASH for part in escapes})


def _is_plain_object(body: bytes) -> bool:
    """Whether it is one object as a program writes it: then its members, each once, read the same."""
    if body.count(b"{") > 1:
        return False
    try:
        members = _MEMBERS.decode(body)
    except msgspec.MsgspecError:
        return False
    return any(
        b"{%s}" % comma.join([b"".join((b'"', name.encode(), colon, said)) for name, said in members.items()]) == body
        for colon, comma in _LAYOUTS
    )


def mismatch(message: str, model: Any) -> InvalidError:
    """What msgspec says of a value that does not fit its type, with the field apart and the choices that there are."""
    path, reason = WHOLE, message
    if (at := _AT.fullmatch(message)) is not None:
        path, reason = at["path"], at["reason"]
    if (member := _MEMBER.fullmatch(reason)) is not None:
        unknown = member["what"] == "contains unknown"
        return InvalidError(f"{path}.{member['name']}", "unknown field" if unknown else "required, but missing")
    reason = choices.named(reason, model, path)
    return InvalidError(path, reason[:1].lower() + reason[1:])


class _Constant(str):
    """`NaN`, `Infinity` or `-Infinity`, where Python reads a number."""


def _malformed(body: bytes, error: Exception) -> InvalidError:
    """Why a body is not JSON; a string that is not Unicode and a number that only JavaScript has are named."""
    try:
        value = json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_Constant)
    except (ValueError, RecursionError):
        if isinstance(error, UnicodeDecodeError):
            return InvalidError(WHOLE, "not valid UTF-8")
        return InvalidError(WHOLE, f"not valid JSON: {error}")
    for path, text in _strings(value):
        if isinstance(text, _Constant):
            return InvalidError(path, f"not valid JSON: {text} is no number there")
        if _SURROGATE.search(text) is not None:
            return InvalidError(path, "not valid Unicode: half of a surrogate pair, or bytes that are not UTF-8")
    return InvalidError(WHOLE, "not valid UTF-8 JSON")


def _refuse_characters(strings: Iterator[tuple[str, str]]) -> None:
    for path, text in strings:
        if (match := _FORBIDDEN.search(text)) is not None:
            raise InvalidError(path, f"contains the control character U+{ord(match[0]):04X}")


class _Repeated(str):
    """A name that an object gives twice, in place of that object."""


def _refuse_repetition(body: bytes) -> None:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Repeated:
        held: dict[str, Any] = {}
        for name, value in pairs:
            if name in held:
                return _Repeated(name)
            held[name] = value
        return held

    for path, text in _strings(json.loads(body, object_pairs_hook=members)):
        if isinstance(text, _Repeated):
            raise InvalidError(f"{path}.{text}", "given more than once")


def _strings(value: Any, path: str = WHOLE) -> Iterator[tuple[str, str]]:
    """Every string of plain JSON values with its path; names of members count as strings of their object."""
    stack = [(path, value)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            yield from ((path, name) for name in value)
            stack.extend((f"{path}.{name}", item) for name, item in reversed(value.items()))
        elif isinstance(value, list | tuple):
            stack.extend((f"{path}[{index}]", item) for index, item in reversed(list(enumerate(value))))


class Json(AbstractDTO[T]):
    """Puts a `Reader` where Litestar decodes the parameter `data`; `Json[NewReview]` is the `dto` of a handler."""

    config = DTOConfig()
    reader: ClassVar[Reader[Any] | None] = None

    def decode_bytes(self, value: bytes) -> Any:
        """The body as its type; 415 unless it is said to be JSON."""
        _require_json(self.asgi_connection)
        cls = type(self)
        if cls.reader is None:
            cls.reader = Reader(self.model_type)
        return cls.reader.read(value)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare: the reader needs no transfer model."""

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        """The schema of the type itself."""
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[Any, None, None]:  # noqa: ARG003
        """None: the type is read as it is."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        """None: the type is read as it is."""
        return False


def _require_json(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    said, is_patch = False, connection.scope.get("method") == "PATCH"
    taken = _PATCH_TYPE if is_patch else _MEDIA_TYPE
    for name, value in connection.scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            # Compressed, a few bytes can stand for any number of them; bodies are small, so none has to be.
            headers = {"Accept-Encoding": "identity"}
            raise HTTPException(status_code=415, detail="send the body without a Content-Encoding", headers=headers)
        if name == b"content-type":
            said = taken.fullmatch(value.strip()) is not None
    if not said and is_patch:
        detail, headers = f"send the patch in UTF-8 as one of {PATCHES}", {"Accept-Patch": PATCHES}
        raise HTTPException(status_code=415, detail=detail, headers=headers)
    if not said:
        raise HTTPException(status_code=415, detail="send the body as application/json in UTF-8")
