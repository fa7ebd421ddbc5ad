"""What goes over the wire of the change log."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from publisher.content.database import stamp
from publisher.content.log import Entity
from publisher.content.model import Change

Hash = Annotated[str, Meta(description="SHA-256, in hex.")]


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the change log: who did what to which entity, under which request, and the hashes that prove it."""

    seq: int
    at: Annotated[str, Meta(description="As it is hashed.", extra_json_schema={"format": "date-time"})]
    actor: Annotated[str, Meta(description="The id of the editor, or `system`, or `scheduler`.")]
    request_id: Annotated[str, Meta(description="The `X-Request-Id` of the request; empty when there was none.")]
    entity: Entity
    entity_id: str
    version: int
    kind: Annotated[str, Meta(description="What was done: created, updated, published, role, signed_in, …")]
    digest: Annotated[str, Meta(description="SHA-256 of what was written.")]
    prev_hash: Annotated[str, Meta(description="`hash` of the row before; empty in the first row.")]
    hash: Annotated[str, Meta(description="SHA-256 of `prev_hash` and this row.")]


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of the change log; `next` is the cursor of the following page, null at the end."""

    rows: tuple[AuditRow, ...]
    next: str | None


def row(change: Change) -> AuditRow:
    """A row as it is answered."""
    return AuditRow(**{**msgspec.structs.asdict(change), "at": stamp(change.at)})
