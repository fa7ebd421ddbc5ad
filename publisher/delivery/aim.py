"""What a target is owed to hold an older release than the newest: where the rollout has come, and no further.

A key's state at a release is what it held before the first later release that changed it (the ledger's history), else
what it holds now. Heads of bundles are in no release: they follow the target that goes before.
"""

from __future__ import annotations

from typing import Any

from publisher.delivery import ledger
from publisher.delivery.ledger import Desired, Owed
from publisher.site.artifact import Tier

_OWED = """
SELECT p.key, u.release, u.body, u.content_type, u.cache_control, u.tier,
    d.context, d.body, d.content_type, d.cache_control, d.tier, b.body, r.key,
    h.key, h.body, h.content_type, h.cache_control, h.tier, h.etag
FROM pending p
LEFT JOIN undo u ON u.key = p.key
    AND u.release = (SELECT min(release) FROM undo WHERE key = p.key AND release > :release)
LEFT JOIN desired d ON d.key = p.key
LEFT JOIN held h ON h.target = p.target AND h.key = p.key
LEFT JOIN promised r ON r.target = p.target AND r.key = p.key
LEFT JOIN held b ON b.target = :after AND b.key = p.key
WHERE p.target = :target ORDER BY p.key
"""


def is_kept(conn: Any, release: int) -> bool:
    """Whether the history reaches back to a release."""
    row = conn.execute("SELECT value FROM facts WHERE name = 'history'").fetchone()
    return row is not None and int(row[0]) <= release


def owed(conn: Any, target: str, release: int, after: str) -> list[Owed]:
    """Every key that may differ on a target, with what it should hold at `release`, which is kept, and what it is known
    to hold. A pointer that no later release changed is left out until the target `after` holds it as it should be now.
    """
    rows = conn.execute(_OWED, {"target": target, "release": release, "after": after})
    return [found for row in rows if (found := _row(row)) is not None]


def seq(conn: Any, release: int) -> int:
    """The last change that a release carries; 0 when there is no such release."""
    row = conn.execute("SELECT seq FROM releases WHERE number = ?", (release,)).fetchone()
    return int(row[0]) if row else 0


def _row(row: tuple[Any, ...]) -> Owed | None:
    key, changed, then, now, before, known = row[0], row[1], row[2:6], row[6:11], row[11], row[12:]
    if changed is not None:
        return ledger.owed(key, None if then[0] is None else Desired(key, "", *then), known[0], known[1:])
    if now[0] is None:
        return ledger.owed(key, None, known[0], known[1:])
    desired = Desired(key, *now)
    is_ahead = desired.tier == Tier.pointer and before != desired.body
    return None if is_ahead else ledger.owed(key, desired, known[0], known[1:])
