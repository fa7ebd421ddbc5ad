"""What the OpenAPI document says of answers that many routes share, and how entity tags are written."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from api.problems import CODES, MEANINGS, MEDIA_TYPE, STATUS, Problem

HEADERS: dict[str, Any] = {
    "ETag": {
        "description": "The version that is there, for `If-Match` and, where it is taken, `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'Where the way of the change to the readers can be followed (`rel="monitor"`, RFC 5989).',
        "schema": {"type": "string"},
    },
    "Location": {"description": "The address of what was made.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "How to say who you are (RFC 6750).", "schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "The id of the request: the client's own, or one that was given.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
}
"""The headers that answers carry, for the document."""
_STATUS = STATUS | {code: status for status, code in CODES.items()}


@dataclass
class Answer(ResponseSpec):
    """What a route answers when all is well; `headers` names those of `HEADERS` that it carries."""

    headers: tuple[str, ...] = ()


def refusals(*codes: str) -> dict[int, ResponseSpec]:
    """The problem documents that a route may answer, by status, with an example for each code.

    What holds of every route of a kind (a body that is too large, a token that is missing…) the document adds itself.
    """
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(_STATUS[code], []).append(code)
    return {
        status: ResponseSpec(
            Problem,
            description=" ".join(MEANINGS[code] for code in same),
            media_type=MEDIA_TYPE,
            generate_examples=False,
            examples=[Example(summary=code, value=_example(code, status)) for code in same],
        )
        for status, same in by_status.items()
    }


def answers(
    kind: type[object], example: object, status: int = 200, *, headers: tuple[str, ...] = ()
) -> dict[int, ResponseSpec]:
    """What a route answers when all is well, with an example and the names of the headers that come with it."""
    phrase = HTTPStatus(status).phrase
    return {
        status: Answer(
            kind,
            description=phrase,
            generate_examples=False,
            examples=[Example(summary=phrase, value=example)],
            headers=headers,
        )
    }


def versioned(kind: type[object], example: object) -> dict[int, ResponseSpec]:
    """What a route answers that reads something at a version: it, or nothing when the client has it."""
    held = Answer(None, description="What you have is what there is.", generate_examples=False, headers=("ETag",))
    return answers(kind, example, headers=("ETag",)) | {304: held}


def nothing(said: str = "Done.", *, headers: tuple[str, ...] = ()) -> dict[int, ResponseSpec]:
    """What a route answers that has nothing to tell (204)."""
    return {204: Answer(None, description=said, generate_examples=False, headers=headers)}


def etag(version: int) -> str:
    """The entity tag of a version: `"3"`."""
    return f'"{version}"'


def _example(code: str, status: int) -> dict[str, object]:
    example: dict[str, object] = {
        "type": f"/docs#{code}", "title": HTTPStatus(status).phrase, "status": status, "detail": MEANINGS[code],
        "code": code, "request_id": "5f0c1d2e3a4b5c6d",
    }  # fmt: skip
    if code == "invalid":
        reason = "required, but missing"
        example |= {
            "detail": f"$.title: {reason}",
            "field": "$.title",
            "errors": [{"field": "$.title", "reason": reason}],
        }
    if code == "ambiguous_name":
        reason = "G9 can mean Canon PowerShot G9, Panasonic DC-G9; name the one you mean in full, or its id"
        example |= {
            "detail": f"$.camera_model: {reason}",
            "field": "$.camera_model",
            "errors": [{"field": "$.camera_model", "reason": reason}],
            "candidates": [
                {"id": "019a2f6e-0001-7b20-8000-0c1d2e3f4a5c", "name": "Canon PowerShot G9"},
                {"id": "019a2f6e-0001-7b20-8000-0c1d2e3f4a5d", "name": "Panasonic DC-G9"},
            ],
        }
    if code == "stale_version":
        example["current_version"] = 4
    return example
