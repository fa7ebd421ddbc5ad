"""The index of sitemaps says of each shard when it last changed: then, and at no other time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from publisher.content import duplicates, products, reviews
from publisher.content.database import moment
from publisher.content.model import SHARD, Draft, State
from publisher.content.writer import Transaction
from tests.newsroom import SITE, Newsroom, text

SPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
FIRST, SECOND, GOODS, PAGES = (f"sitemaps/{name}.xml" for name in ("reviews-1", "reviews-2", "products-1", "pages"))


def shards(room: Newsroom) -> dict[str, tuple[str | None, bytes]]:
    """What the index says of each shard, and its body, by key."""
    index = ElementTree.fromstring(room.target.bodies["sitemap.xml"])
    said = {(one.findtext(f"{SPACE}loc") or "").removeprefix(f"{SITE.url}/"): one for one in index}
    return {key: (one.findtext(f"{SPACE}lastmod"), room.target.bodies[key]) for key, one in said.items()}


def test_the_index_says_when_each_shard_changed(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.staff()
    posted = [room.post(f"Reseña {number}", tags=()) for number in range(SHARD + 1)]
    room.publish()
    first, last = posted[0].id, posted[-1].id
    camera, other = (one.id for one in room.products[:2])
    steps: list[tuple[Callable[[Transaction], object], set[str]]] = [
        (lambda tx: reviews.update(tx, first, Draft(title="Editada"), text("Otra.")), {FIRST}),
        (lambda tx: reviews.move(tx, last, State.draft), {SECOND}),
        (lambda tx: reviews.update(tx, last, Draft(title="Borrador"), text("Nadie lo ve.")), set()),
        (lambda tx: reviews.move(tx, last, State.published), {SECOND}),
        (lambda tx: reviews.move(tx, first, State.draft), {FIRST}),
        (lambda tx: products.update(tx, camera, model="Otro nombre"), {GOODS}),
        (lambda tx: duplicates.merge(tx, camera, other), {GOODS}),
    ]
    for step, expected in steps:
        before = shards(room)
        room.writer.run(step)
        done = room.clock.at
        room.publish()
        now = shards(room)
        assert {key for key in now if now[key][1] != before[key][1]} == expected
        assert {key for key in now if now[key][0] != before[key][0]} == expected
        assert {moment(now[key][0] or "") for key in expected} <= {done}
    assert shards(room)[PAGES][0] is None, "when a brand's page changed is not known"
    room.close()
