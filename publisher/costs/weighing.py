"""What a site weighs, from the ledger and the bodies of its last build: real bytes, compressed as an edge does it."""

from __future__ import annotations

import random
import statistics
import zlib
from collections.abc import Callable, Iterable

from publisher.costs.bill import Site
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.errors import BuildError
from publisher.site.artifact import Tier

SAMPLE = 200
"""Pages of a kind that are weighed at most."""
LEVEL = 5
"""Of gzip, as the edges that come with the publisher have it."""
_KINDS: dict[str, Callable[[str], bool]] = {
    "home": lambda key: key == "index.html",
    "review": lambda key: key.startswith("reviews/") and key.endswith("index.html"),
    "product": lambda key: key.startswith(("cameras/", "lenses/")) and key.endswith("index.html"),
    "content": lambda key: key == "content/index.json",
    "document": lambda key: key.startswith("content/reviews/"),
}


def weigh(ledger: Ledger, objects: Objects) -> Site:
    """Weigh the site of a ledger. BuildError when nothing was built yet."""
    rows = list(ledger.desired())
    if not rows:
        raise BuildError("nothing is built yet: run `publisher build`, then ask again")
    pages = {kind: [row for row in rows if chosen(row.key)] for kind, chosen in _KINDS.items()}
    assets = [row for row in rows if row.tier == Tier.immutable and row.key.endswith((".css", ".js", ".svg"))]
    return Site(
        stored=objects.size(),
        pages={kind: _mean(found, objects) for kind, found in pages.items() if found},
        assets=sum(_packed(row, objects) for row in assets), asset_count=len(assets),
    )  # fmt: skip


def _mean(rows: list[Desired], objects: Objects) -> float:
    chosen = random.Random(0).sample(rows, min(len(rows), SAMPLE))
    return statistics.fmean(_weights(chosen, objects))


def _weights(rows: Iterable[Desired], objects: Objects) -> list[int]:
    return [_packed(row, objects) for row in rows]


def _packed(row: Desired, objects: Objects) -> int:
    return len(zlib.compress(objects.get(row.body), LEVEL))
