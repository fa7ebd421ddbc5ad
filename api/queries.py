"""What a query says, read strictly: it has no way to say null, though the decoder takes the word for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Annotated, Any, get_args

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from publisher.errors import InvalidError

ANY = "any_query"
ANY_QUERY = {ANY: True}
"""Option of a route that ignores parameters which it does not know."""
MAX_NAME = 60
"""Letters of an unknown parameter's name that are given back."""
MOMENT = {"format": "date-time"}
"""What the document says of a text that `moment_of` reads."""
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def moment_of(name: str, said: str | None) -> datetime | None:
    """The moment that the parameter `name` says (RFC 3339). A query's numbers would else be taken for Unix time."""
    try:
        return None if said is None else msgspec.convert(said, _Moment)
    except msgspec.ValidationError as error:
        raise InvalidError(name, "not a moment with its time zone, such as 2026-11-24T09:00:00Z") from error


def takes_any(handler: BaseRouteHandler) -> bool:
    """Whether an address ignores parameters that it does not know.

    So do those which browsers follow and monitors ask: trackers and caches' busters are added to them by others. They
    say so by `ANY_QUERY`, and all that is not of the documented service does it.
    """
    return bool(handler.opt.get(ANY)) or not isinstance(getattr(handler, "operation_id", None), str)


def look(request: Request[Any, Any, Any]) -> None:
    """Raise InvalidError for a parameter that the address does not know, and for `?state=null`.

    Either would be taken for no condition at all, and everything be found.
    """
    if not request.scope["query_string"]:
        return
    fields = {
        field.kwarg_definition.name or name: field
        for name, field in request.route_handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
    if not takes_any(request.route_handler):
        _refuse_unknown(request.query_params.keys(), fields)
    for name, field in fields.items():
        is_text = str in (field.annotation, *get_args(field.annotation))
        if not is_text and any(value.lower() == "null" for value in request.query_params.getall(name, [])):
            raise InvalidError(name, "not a value; leave it out instead")


def _refuse_unknown(said: Iterable[str], known: Collection[str]) -> None:
    for name in said:
        if name not in known:
            shown = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
            raise InvalidError(
                shown, f"no such parameter; known are {', '.join(sorted(known))}" if known
                else "no such parameter; this address knows none",
            )  # fmt: skip
