"""What a query says, read strictly: it has no way to say null, though the decoder takes the word for it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, get_args

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from publisher.errors import InvalidError

MOMENT = {"format": "date-time"}
"""What the document says of a text that `moment_of` reads."""
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def moment_of(name: str, said: str | None) -> datetime | None:
    """The moment that the parameter `name` says (RFC 3339). A query's numbers would else be taken for Unix time."""
    try:
        return None if said is None else msgspec.convert(said, _Moment)
    except msgspec.ValidationError as error:
        raise InvalidError(name, "not a moment with its time zone, such as 2026-11-24T09:00:00Z") from error


async def refuse_null(request: Request[Any, Any, Any]) -> None:
    """Raise InvalidError for `?state=null`: it would be taken for no condition at all, and everything be found."""
    if not request.scope["query_string"]:
        return
    for name, field in request.route_handler.parsed_fn_signature.parameters.items():
        if isinstance(field.kwarg_definition, QueryParameter) and str not in (
            field.annotation,
            *get_args(field.annotation),
        ):
            said = field.kwarg_definition.name or name
            if any(value.lower() == "null" for value in request.query_params.getall(said, [])):
                raise InvalidError(said, "not a value; leave it out instead")
