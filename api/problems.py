"""Every error answered as a problem document (RFC 9457): one table from an error's code to its status.

::

    {"type": "/docs#invalid", "title": "Bad Request", "status": 400, "code": "invalid",
     "detail": "$.title: required, but missing", "field": "$.title",
     "errors": [{"field": "$.title", "reason": "required, but missing"}], "request_id": "5f0c…"}

Inside a failure that nobody foresaw is logged under its request id, and answered without a word about it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException
from msgspec import Meta

from api import choices
from api.shell import request_id
from api.wire import WholeReview
from api.wire_products import WholeProduct
from publisher.content.database import SqliteError
from publisher.errors import (
    AmbiguousNameError,
    DeliveryError,
    InvalidError,
    KeyInUseError,
    MarkdownError,
    PublisherError,
    StaleVersionError,
    StoreError,
    TokenError,
    UnauthenticatedError,
)
from publisher.logs import fields

MEDIA_TYPE = "application/problem+json"
INTERNAL = "internal_error"
STATUS = {
    "not_found": 404,
    "conflict": 409,
    "stale_version": 412,
    "precondition_required": 428,
    "merged": 409,
    "key_in_use": 409,
    "key_reused": 422,
    "address_taken": 409,
    "invalid": 400,
    "ambiguous_name": 422,
    "bad_markdown": 400,
    "markdown_too_slow": 400,
    "unauthenticated": 401,
    "bad_token": 401,
    "forbidden": 403,
    "store_failed": 503,
    "no_room": 507,
    "delivery_failed": 503,
}
"""The status of each code that has one of its own; any other error is a 500 of which nothing is told."""
CODES = {
    400: "invalid",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "throttled",
    431: "head_too_large",
    503: "unavailable",
}
"""The code of each status that is answered before the content is asked."""
RETRY_SECONDS = 2
MEANINGS = {
    "invalid": "A value breaks a rule; `field` names it.",
    "ambiguous_name": "The name in `field` means several products; `candidates` are those it can mean.",
    "bad_markdown": "The content cannot be rendered: it is too long or nested too deep.",
    "markdown_too_slow": "The content takes too long to render.",
    "unauthenticated": "Nobody is signed in, or e-mail address and password do not match.",
    "bad_token": "The token is malformed, expired, used up or revoked.",
    "forbidden": "You may not do this.",
    "not_found": "Nothing is here.",
    "method_not_allowed": "This address does not know the method; `Allow` names those it knows.",
    "conflict": "The request contradicts what is stored.",
    "merged": "The product was merged into another, and is no more.",
    "stale_version": "The request is based on another version than `current_version`. Where both changes go together, "
    "`proposal` is a body to PUT with the current `ETag`.",
    "precondition_required": "The request does not say which version it is based on: send the `ETag` of what "
    "you read as `If-Match`.",
    "key_in_use": "A request with the same `Idempotency-Key` is still running; `Retry-After` says when to try again.",
    "address_taken": "Another review has the slug that was asked for.",
    "key_reused": "The `Idempotency-Key` came with another body before.",
    "too_slow": "The body came too slowly.",
    "body_too_large": "The body is larger than is accepted.",
    "unsupported_media_type": "The body is not said to be JSON, or it is compressed; `Accept-Patch` names what a PATCH "
    "may be.",
    "head_too_large": "The address and the headers of the request are longer than is accepted.",
    "throttled": "Too many attempts, or too much at once; `Retry-After` says when to try again.",
    "store_failed": "The store cannot answer now, and what was sent may not be written. Send it again with the same "
    "`id` or `Idempotency-Key`: then nothing is written twice.",
    "no_room": "The disk is nearly full: nothing new is kept until there is room. Reading, deleting, unpublishing and "
    "signing in go on.",
    "delivery_failed": "What the publishing worker notes cannot be read now. Try again.",
    "unavailable": "The service cannot answer now. Try again.",
    INTERNAL: "The service failed; its log knows more under `request_id`.",
}

_log = logging.getLogger("api")


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: str
    reason: str


class Candidate(msgspec.Struct, frozen=True):
    """A product that a name can mean."""

    id: str
    name: str


_PROPOSAL = {
    "anyOf": [
        *({"$ref": f"#/components/schemas/{body.__name__}"} for body in (WholeReview, WholeProduct)),
        {"type": "null"},
    ]
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document; `type` leads to its description."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    field: str | None = None
    errors: tuple[FieldProblem, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    current_version: int | None = None
    proposal: Annotated[Any, Meta(extra_json_schema=_PROPOSAL)] = None


Answer = Response[Problem]
Handler = Callable[[Request[Any, Any, Any], Any], Answer]


def problem(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[FieldProblem, ...] = (),
    headers: dict[str, str] | None = None,
) -> Answer:
    """The answer to a request that cannot be fulfilled."""
    return _answered(_document(request_id(request.scope), status, code, detail, errors=errors), headers)


def described(error: PublisherError, identity: str) -> Problem | None:
    """The problem document of an error about what was asked, under a request's id; None when the service failed."""
    status = STATUS.get(error.code)
    if status is None or type(error) in (StoreError, DeliveryError):
        return None
    details: dict[str, Any] = {}
    if isinstance(error, InvalidError):
        details["errors"] = (FieldProblem(error.field, error.reason),)
    if isinstance(error, AmbiguousNameError):
        details["candidates"] = tuple(Candidate(*each) for each in error.candidates)
    if isinstance(error, MarkdownError):
        details["errors"] = (FieldProblem("$.content", str(error)),)
    if isinstance(error, StaleVersionError):
        details["current_version"] = error.current
        details["proposal"] = error.proposal if isinstance(error.proposal, WholeReview | WholeProduct) else None
    return _document(identity, status, error.code, str(error), **details)


def of_connection(identity: str, status: int, detail: str) -> Problem:
    """The problem document of what is no request that the application could be shown."""
    return _document(identity, status, CODES[status], detail)


def of_service(identity: str) -> Problem:
    """The problem document of a failure that nobody foresaw: nothing about it."""
    return _document(identity, 500, INTERNAL, "the service failed; its log has the reason under this request_id")


def foreseen(request: Request[Any, Any, Any], error: PublisherError) -> Answer:
    """The answer to an error of the publisher's tree."""
    if type(error) is StoreError:
        return unavailable(request, error)
    if type(error) is DeliveryError:
        return _unread(request, error)
    made = described(error, request_id(request.scope))
    if made is None:
        return unforeseen(request, error)
    headers = {}
    if isinstance(error, StaleVersionError):
        headers["ETag"] = f'"{error.current}"'
    if isinstance(error, KeyInUseError):
        headers["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if isinstance(error, TokenError) else "Bearer"
    return _answered(made, headers)


def _document(
    identity: str, status: int, code: str, detail: str, *, errors: tuple[FieldProblem, ...] = (), **details: Any
) -> Problem:
    return Problem(
        type=f"/docs#{code}", title=HTTPStatus(status).phrase, status=status, detail=detail, code=code,
        request_id=identity, field=errors[0].field if errors else None, errors=errors, **details,
    )  # fmt: skip


def _answered(made: Problem, headers: dict[str, str] | None) -> Answer:
    return Response(made, status_code=made.status, media_type=MEDIA_TYPE, headers=headers)


def unavailable(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """The answer when the store fails: try again; what failed goes to the log."""
    _log.error("the store failed", exc_info=error, extra=_of(request))
    detail = (
        "the store cannot answer now, and what you sent may not be written; send it again with the same id or"
        " Idempotency-Key, so that nothing is written twice"
    )
    return problem(request, 503, "store_failed", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _unread(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """The answer when the worker's files cannot be read: try again; what failed goes to the log."""
    _log.error("the ledger failed", exc_info=error, extra=_of(request))
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return problem(
        request, 503, "delivery_failed", "how far publishes are cannot be read now; try again", headers=headers
    )


def refused(request: Request[Any, Any, Any], error: HTTPException) -> Answer:
    """The answer to what the framework refuses: an address, a method, a size, a parameter."""
    status = error.status_code
    if isinstance(error, InternalServerException):  # the client hung up before its body was read: no fault of ours
        return problem(request, 400, CODES[400], "the body ended too soon")
    if status >= 500:
        return unforeseen(request, error)
    extra = error.extra if isinstance(error.extra, list) else []
    errors = tuple(
        _of_parameter(request, str(part.get("key", "$")), str(part["message"]))
        for part in extra
        if isinstance(part, dict) and "message" in part
    )
    details = {404: "nothing is at this address", 405: "this address does not know the method"}
    detail = details.get(status) or (f"{errors[0].field}: {errors[0].reason}" if errors else error.detail)
    if errors and errors[0].field == "data":
        errors, detail = (FieldProblem("$", "send a JSON object"),), "the body is empty; send a JSON object"
    return problem(
        request, status, CODES.get(status, "invalid"), detail, errors=errors, headers=dict(error.headers or {})
    )


def _of_parameter(request: Request[Any, Any, Any], key: str, reason: str) -> FieldProblem:
    """What is wrong with a parameter, under its name over the wire: its handler may call it something else."""
    field = request.route_handler.parsed_fn_signature.parameters.get(key)
    if field is None:
        return FieldProblem(key, reason)
    name = getattr(field.kwarg_definition, "name", None) or key
    return FieldProblem(name, choices.named(reason, field.annotation))


def unforeseen(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """The answer to a failure that nobody foresaw: nothing about it."""
    _log.error("a request failed", exc_info=error, extra=_of(request))
    return _answered(of_service(request_id(request.scope)), None)


def _of(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What a log line says of a request."""
    route = request.scope.get("path_template")
    return fields(request_id=request_id(request.scope), method=request.method, route=route)


def too_often(seconds: float) -> HTTPException:
    """The error for a client that has to wait."""
    wait = max(1, math.ceil(seconds))
    detail = f"too many attempts; try again in {wait} s"
    return HTTPException(status_code=429, detail=detail, headers={"Retry-After": str(wait)})


def too_many(what: str) -> HTTPException:
    """The error for a client that asks for more than can be done at once: too many … `what`."""
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return HTTPException(status_code=429, detail=f"too many {what}", headers=headers)


HANDLERS: dict[int | type[Exception], Handler] = {
    PublisherError: foreseen,
    HTTPException: refused,
    SqliteError: unavailable,
    Exception: unforeseen,
}
"""Which function answers which exception, for Litestar."""
