"""Send what waits, one request after the other, so that dying between any two steps neither loses nor doubles one.

Before a request goes out, it is noted as doubtful, on disk. Its answer settles it in one transaction. If the process
dies in between, or the connection breaks, the next one repeats the request: the same id, the same key, based on the
same version.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from publisher.desk import conflicts, outbox
from publisher.desk.client import Client
from publisher.desk.outbox import GONE, Busy, Done, Failed, Refused, Stale, Taken, Verdict
from publisher.desk.records import Entry, Known, Records
from publisher.desk.said import Held
from publisher.errors import DeskError, OfflineError, UnauthenticatedError

_PATHS = {"create": "/reviews", "amend": "/reviews/{}", "schedule": "/reviews/{}/schedule"}
_METHODS = {"create": "POST", "amend": "PATCH", "schedule": "POST"}
Clock = Callable[[], datetime]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry."""

    entry: Entry
    path: str | None
    outcome: Literal["sent", "refused", "conflict", "failed"]
    url: str = ""
    state: str = ""
    reason: str = ""


def send(records: Records, client: Client, clock: Clock, tell: Callable[[Sent], None]) -> None:
    """Send all that can go, and `tell` what became of each.

    Raises OfflineError when the rest has to wait, UnauthenticatedError when somebody has to sign in: what was sent
    until then is settled, and the rest is kept.
    """
    with records.only_sender():
        records.belong_to(client.session.account)
        passed_over: set[str] = set()
        while (entry := _next(records, passed_over)) is not None:
            result = _settle(records, client, clock, entry, _ask(records, client, clock, entry))
            if result.outcome == "failed":
                passed_over.add(entry.review_id)
            tell(result)


def _next(records: Records, passed_over: set[str]) -> Entry | None:
    in_conflict = {known.id for known in records.all() if known.theirs is not None}
    return outbox.following(records.entries(), in_conflict, passed_over)


def _ask(records: Records, client: Client, clock: Clock, entry: Entry) -> Verdict:
    """Send one entry, and say what its answer means."""
    known = _known(records, entry)
    headers = {"idempotency_key": entry.key}
    if entry.kind != "create":
        headers["if_match"] = f'"{known.version}"'
    path = _PATHS[entry.kind].format(entry.review_id)
    body: bytes | None = entry.body
    if entry.kind == "schedule" and entry.said.publish_at is not None and entry.said.publish_at <= clock():
        path, body = f"/reviews/{entry.review_id}/publish", None  # its moment passed while it waited
    records.doubt(entry, True)
    try:
        answer = client.ask(_METHODS[entry.kind], path, body=body, **headers)
    except (OfflineError, UnauthenticatedError) as error:
        if not entry.doubtful and not (isinstance(error, OfflineError) and error.arrived):
            records.doubt(entry, False)
        raise
    return outbox.verdict(entry, answer)


def _settle(records: Records, client: Client, clock: Clock, entry: Entry, verdict: Verdict) -> Sent:
    """Note what an answer means."""
    known = _known(records, entry)
    match verdict:
        case Done(held):
            return _done(records, entry, known, held)
        case Refused(reason):
            records.refuse(entry, reason)
            return Sent(entry=entry, path=known.path, outcome="refused", reason=reason)
        case Failed(reason):
            return Sent(entry=entry, path=known.path, outcome="failed", reason=reason)
        case Busy(seconds):
            raise OfflineError("an earlier attempt is still being answered", arrived=True, seconds=seconds)
        case Taken() | Stale():
            return _compare(records, client, clock, entry, known)


def _done(records: Records, entry: Entry, known: Known, held: Held) -> Sent:
    with records.change():
        records.agree(held, entry.said)
        records.remove([entry])
    return Sent(entry=entry, path=known.path, outcome="sent", url=held.url, state=held.said.state or "")


def _compare(records: Records, client: Client, clock: Clock, entry: Entry, known: Known) -> Sent:
    """Whether the API holds what is wanted, because it arrived before or by another way; if not, note the conflict."""
    if entry.doubtful or entry.kind == "create":
        found = client.revision(entry.review_id, known.version + 1)
        if found is not None:
            made, actor = found
            if outbox.is_ours(entry, known.held, made, is_mine=actor == client.session.editor_id):
                return _done(records, entry, known, made)
    theirs = client.review(entry.review_id)
    if theirs is None:
        records.refuse(entry, GONE)
        return Sent(entry=entry, path=known.path, outcome="refused", reason=GONE)
    if conflicts.is_agreed(client, theirs.said, entry.said):
        return _done(records, entry, known, theirs)
    conflicts.note(records, known, theirs, clock())
    return Sent(entry=entry, path=known.path, outcome="conflict", url=theirs.url)


def _known(records: Records, entry: Entry) -> Known:
    known = records.known(entry.review_id)
    if known is None:
        raise DeskError(f"entry {entry.number} belongs to no review; `publisher outbox drop {entry.number}` removes it")
    return known
