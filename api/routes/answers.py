"""What the OpenAPI document says of answers that many routes share, and how entity tags are written."""

from __future__ import annotations

from http import HTTPStatus

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from api.problems import MEANINGS, MEDIA_TYPE, STATUS, Problem


def refusals(*codes: str) -> dict[int, ResponseSpec]:
    """The problem documents that a route may answer, by status; the first code of a status is its example."""
    specs: dict[int, ResponseSpec] = {}
    for code in codes:
        status = STATUS.get(code) or _OTHER[code]
        specs.setdefault(
            status,
            ResponseSpec(
                Problem,
                description=MEANINGS[code],
                media_type=MEDIA_TYPE,
                generate_examples=False,
                examples=[Example(summary=code, value=_example(code, status))],
            ),
        )
    return specs


def answers(kind: type[object], example: object, status: int = 200) -> dict[int, ResponseSpec]:
    """What a route answers when all is well, with an example."""
    return {
        status: ResponseSpec(
            kind,
            description=HTTPStatus(status).phrase,
            generate_examples=False,
            examples=[Example(summary=HTTPStatus(status).phrase, value=example)],
        )
    }


def etag(version: int) -> str:
    """The entity tag of a version: `"3"`."""
    return f'"{version}"'


_OTHER = {"body_too_large": 413, "unsupported_media_type": 415, "throttled": 429}


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
