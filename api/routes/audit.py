"""The audit trail: every change, for administrators."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from litestar import Response, Router, get
from litestar.params import QueryParameter

from api import wire_audit
from api.access import SECURITY, administrator, signed_in
from api.newsroom import newsroom_of
from api.queries import MOMENT, moment_of
from api.routes.answers import answers, refusals
from api.routes.asking import Asking, Limit, NumberCursor
from api.routes.examples import AUDIT
from api.wire_audit import AuditPage
from publisher.content import audit
from publisher.content.audit import Order, Wanted
from publisher.content.log import Entity


@get(
    operation_id="listChanges",
    summary="Read the audit trail",
    description="For administrators: who did what, when, under which request. Each row has the hash of the one before, "
    "so that none can be altered or dropped; `publisher audit verify` proves it. A page of something rare may be "
    "short, or empty, and still have a `next`.",
    responses=answers(AuditPage, AUDIT) | refusals("forbidden"),
)
async def page(
    request: Asking,
    order: Annotated[Order, QueryParameter(description="Which rows come first.")] = "newest",
    actor: Annotated[str | None, QueryParameter(max_length=100, description="Who: an editor's id, `system`.")] = None,
    entity: Annotated[Entity | None, QueryParameter(description="To what kind of thing it was done.")] = None,
    entity_id: Annotated[str | None, QueryParameter(max_length=100, description="To what it was done.")] = None,
    kind: Annotated[str | None, QueryParameter(max_length=100, description="What was done.")] = None,
    since: Annotated[
        str | None, QueryParameter(description="From this moment on, with its time zone.", schema_extra=MOMENT)
    ] = None,
    until: Annotated[
        str | None, QueryParameter(description="Before this moment, with its time zone.", schema_extra=MOMENT)
    ] = None,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[AuditPage]:
    """One page of the log."""
    wanted = Wanted(
        actor=actor, entity=entity, entity_id=entity_id, kind=kind, since=moment_of("since", since),
        until=moment_of("until", until),
    )  # fmt: skip
    found, following = await newsroom_of(request).read(
        partial(audit.page, cursor=cursor, limit=limit, wanted=wanted, order=order)
    )
    return Response(AuditPage(rows=tuple(map(wire_audit.row, found)), next=following))


router = Router(
    "/audit",
    route_handlers=[page],
    guards=[signed_in, administrator],
    security=SECURITY,
    return_dto=None,
    tags=["audit"],
)
