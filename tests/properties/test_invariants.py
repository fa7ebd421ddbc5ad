"""The promises of the build: incremental equals clean, a no-op sends nothing, replay changes nothing, order is kept."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.content import duplicates, editors, products, reviews
from publisher.content.model import Draft, Product, Review, Source, State
from publisher.content.writer import Transaction
from publisher.delivery.ledger import Desired, Ledger
from publisher.errors import ConflictError, InvalidError, NotFoundError
from publisher.schedules import Schedules
from publisher.site import postings, sync, sync_wire
from tests.leaks import leaks, secrets
from tests.newsroom import Newsroom, text

EDITS_PER_EXAMPLE = 30
EXAMPLES = 40
"""30 × 40 = 1,200 edits at least."""
TAGS = ("viaje", "retrato", "noche", "Río", "r-í-o", "日本")
TITLES = ("Una reseña", "La luz", "¿Vale la pena?", "a < b & c", "日本", "La  luz ")
ACTS = (
    "create", "create", "create", "edit", "edit", "rename", "retag", "move", "unpublish", "publish", "archive",
    "delete", "schedule", "restore", "rename-product", "rebrand-product", "alias-product", "respec-product",
    "restore-product", "merge-products", "rename-editor", "name", "name",
)  # fmt: skip
acts = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 10_000), st.integers(0, 10_000), st.booleans()),
    min_size=EDITS_PER_EXAMPLE,
    max_size=EDITS_PER_EXAMPLE + 10,
)


@contextmanager
def newsroom() -> Iterator[Newsroom]:
    with tempfile.TemporaryDirectory() as folder:
        room = Newsroom(Path(folder))
        try:
            yield room
        finally:
            room.close()


def act(room: Newsroom, known: list[Review], what: str, a: int, b: int) -> None:
    """Do one edit; what the store refuses is refused and changes nothing."""
    write, product = room.writer.run, room.products[b % len(room.products)]
    if what == "create" or not known:
        chosen = product if b % 4 else None
        tags = tuple(TAGS[(a + n) % len(TAGS)] for n in range(b % 3))
        editor = room.editors[a % len(room.editors)]
        known.append(room.post(TITLES[a % len(TITLES)], f"Texto {b}", product=chosen, editor=editor, tags=tags))
        return
    if what.endswith(("-product", "-products")):
        act_on_product(room, product, what, a, b)
        return
    if what == "name":
        known.append(write(partial(name_unknown, room, a, b)))
        return
    if what == "rename-editor":
        write(lambda tx: editors.rename(tx, room.editors[a % len(room.editors)].id, f"Nombre {b}"))
        return
    review = known[a % len(known)]
    body = text(f"Texto {b}")
    said: dict[str, Any] = {"title": review.title, "product_id": review.product_id, "tags": review.tags}
    states = {"unpublish": State.draft, "publish": State.published, "archive": State.archived, "delete": State.deleted}
    if what in states:
        write(lambda tx: reviews.move(tx, review.id, states[what]))
    elif what == "schedule":
        due = room.clock.at + timedelta(seconds=b % 20)
        write(lambda tx: reviews.move(tx, review.id, State.scheduled, publish_at=due))
    elif what == "restore":
        write(lambda tx: reviews.restore(tx, review.id, 1 + b % 3))
    else:
        changes: dict[str, dict[str, Any]] = {
            "edit": {"title": TITLES[b % len(TITLES)]},
            "rename": {"slug": f"otra-{b % 5}"},
            "retag": {"tags": (TAGS[b % len(TAGS)],)},
            "move": {"product_id": product.id if b % 3 else None},
        }
        write(lambda tx: reviews.update(tx, review.id, Draft(**{**said, **changes[what]}), body))


def name_unknown(room: Newsroom, a: int, b: int, tx: Transaction) -> Review:
    """Write a review about a camera that nobody knew; mostly one that nobody may read yet."""
    state = (State.draft, State.scheduled, State.archived, State.published)[a % 4]
    due = room.clock.at + timedelta(seconds=b % 20) if state is State.scheduled else None
    name = f"Zorki Secreto{b % 7}x"
    about = products.find_or_create(tx, "camera", name, is_public=state is State.published)
    if all(about.id != one.id for one in room.products):
        room.products.append(about)
    said = Draft(title=TITLES[a % len(TITLES)], product_id=about.id)
    editor = room.editors[a % len(room.editors)]
    return reviews.create(tx, said, text(f"Texto {b}"), editor_id=editor.id, state=state, publish_at=due)


def act_on_product(room: Newsroom, product: Product, what: str, a: int, b: int) -> None:
    """Do one edit of a product."""
    sheet = replace(product.spec, weight_g=100.0 + a % 3, released="2024-05")
    source = {"weight_g": Source(url=f"https://example.org/{b}")} if b % 2 else None
    other = room.products[a % len(room.products)]
    edits: dict[str, Callable[[Transaction], object]] = {
        "rename-product": lambda tx: products.update(tx, product.id, model=f"Nuevo {b}"),
        "rebrand-product": lambda tx: products.update(tx, product.id, brand=("Canon", "Leica", "Tamron")[a % 3]),
        "alias-product": lambda tx: products.update(tx, product.id, aliases=(f"Apodo {a % 3}", "Otro")),
        "respec-product": lambda tx: products.update(tx, product.id, spec=sheet, sources=source),
        "restore-product": lambda tx: products.restore(tx, product.id, 1 + a % 3),
        "merge-products": lambda tx: duplicates.merge(tx, product.id, other.id),
    }
    room.writer.run(edits[what])


def fire(room: Newsroom) -> None:
    Schedules(room.content_db, clock=room.clock).fire()


def assert_equal(incremental: list[Desired], clean: list[Desired]) -> None:
    ours, theirs = {row.key: row for row in incremental}, {row.key: row for row in clean}
    assert sorted(ours) == sorted(theirs)
    assert [key for key in ours if ours[key] != theirs[key]] == []


def lasting(room: Newsroom) -> set[str]:
    """Keys of the bundles and search segments in the target that older heads named; each must be what its name says."""
    found = {key for key in room.target.bodies if key.startswith(sync_wire.FOLDER)}
    assert [key for key in found if sync.key(digest(room.target.bodies[key])) != key] == []
    segments = {key for key in room.target.bodies if key.startswith(postings.FOLDER)}
    for folder in {key.rpartition("/")[0] for key in segments}:
        name, _, said = folder.rpartition("/")[2].rpartition(".")
        keys = postings.keys(name, said, sum(key.startswith(f"{folder}/") for key in segments))
        assert postings.digest(room.target.bodies[key] for key in keys) == said
    return found | segments


def digest(body: bytes) -> str:
    return sync.short(hashlib.sha256(body).hexdigest())


def dangling(room: Newsroom) -> set[str]:
    """Internal links of the pages in the target that lead to no object."""
    held = set(room.target.bodies)
    found = set()
    for key, body in room.target.bodies.items():
        if key.endswith(".html"):
            for path in re.findall(rb'(?:href|src)="(/[^"#?]*)', body):
                wanted = path.decode().lstrip("/")
                wanted = {"content": "content/index.json"}.get(wanted, wanted)
                if wanted == "" or wanted.endswith("/"):
                    wanted += "index.html"
                if wanted not in held:
                    found.add(f"{key} -> {wanted}")
    return found


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(acts=acts, crowd=st.sampled_from((0, 17, 38)))
def test_incremental_equals_clean(acts: list[tuple[str, int, int, bool]], crowd: int) -> None:
    with newsroom() as room:
        room.staff()
        known = [room.post(f"De antes {n}", product=room.products[0]) for n in range(crowd)]
        room.publish()
        for what, a, b, build_now in acts:
            with suppress(NotFoundError, ConflictError, InvalidError):
                act(room, known, what, a, b)
            fire(room)
            if build_now:
                room.publish()
        room.publish()
        clean = room.clean_build()
        assert_equal(list(room.ledger.desired()), clean)
        keys = {row.key for row in clean} | lasting(room)
        assert {row.key: room.objects.get(row.body) for row in clean}.items() <= room.target.bodies.items()
        assert {row.key: (row.content_type, row.cache_control) for row in clean}.items() <= room.target.headers.items()
        assert set(room.target.bodies) == keys, "what no client can need any more is still there"
        assert dangling(room) == set()
        assert leaks(room, secrets(room)) == []
        again = room.publish()
        assert (again.puts, again.deletes) == (0, 0)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(acts=acts)
def test_what_is_built_and_sent_amid_index_and_bundles_equals_clean(acts: list[tuple[str, int, int, bool]]) -> None:
    """All edits, builds and pushes but a few come at the breaths of a making, whose moment is older then."""
    with newsroom() as room:
        room.staff()
        known = [room.post(f"De antes {n}", product=room.products[0]) for n in range(12)]
        left = list(acts)

        def breathe() -> None:
            if left:
                what, a, b, build_now = left.pop()
                with suppress(NotFoundError, ConflictError, InvalidError):
                    act(room, known, what, a, b)
                fire(room)
                if build_now:
                    room.builder.build_pages()
                    room.pusher.run()
                    assert dangling(room) == set()

        while left:
            breathe()
            room.builder.build_pages()
            with room.builder.moment():
                room.builder.index(breathe=breathe)
                room.builder.bundle(breathe=breathe)
            room.pusher.run()
        room.publish()
        clean = room.clean_build()
        assert_equal(list(room.ledger.desired()), clean)
        assert {row.key: room.objects.get(row.body) for row in clean}.items() <= room.target.bodies.items()
        assert set(room.target.bodies) == {row.key for row in clean} | lasting(room)
        assert room.publish().puts == 0


@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(acts=acts)
def test_replaying_the_whole_log_changes_no_byte(acts: list[tuple[str, int, int, bool]]) -> None:
    with newsroom() as room:
        room.staff()
        known: list[Review] = []
        for what, a, b, _ in acts:
            with suppress(NotFoundError, ConflictError, InvalidError):
                act(room, known, what, a, b)
        room.publish()
        before = list(room.ledger.desired())
        room.ledger.record([], [], seq=0, content_version=0, edition=room.ledger.edition(), at=room.clock.at)
        built = room.build()
        assert built.seen > 0
        assert (built.rendered, built.removed, built.release) == (0, 0, None)
        assert list(room.ledger.desired()) == before


def test_a_shard_border_is_crossed_as_in_a_clean_build() -> None:
    with newsroom() as room:
        room.staff(cameras=248, lenses=1)
        room.publish()
        for number in range(255):
            room.post(f"Reseña {number}", product=room.products[number % 3])
            if number in (19, 20, 21, 40, 248, 249, 250, 251):
                room.publish()
        room.staff(count=0, cameras=3, lenses=0)
        room.publish()
        assert_equal(list(room.ledger.desired()), room.clean_build())
        assert dangling(room) == set()


def test_a_merge_of_many_reviews_leaves_what_a_clean_build_gives() -> None:
    with newsroom() as room:
        room.staff()
        lone = room.products[2]
        for number in range(45):
            room.post(f"Reseña {number}", product=room.products[number % 2 and 1])
        room.writer.run(lambda tx: products.update(tx, room.products[1].id, brand="Leica"))
        room.publish()
        gone, kept = room.products[1], room.products[0]
        assert f"cameras/{gone.slug}/index.html" in room.target.bodies
        room.writer.run(lambda tx: duplicates.merge(tx, gone.id, kept.id))
        room.writer.run(lambda tx: duplicates.merge(tx, kept.id, lone.id))
        room.publish()
        assert_equal(list(room.ledger.desired()), room.clean_build())
        assert dangling(room) == set()
        for slug in (gone.slug, kept.slug, "leica-modelo-1"):
            assert f"/cameras/{lone.slug}/".encode() in room.target.bodies[f"cameras/{slug}/index.html"]
            moved = json.loads(room.target.bodies[f"content/products/{slug}.json"])["moved"]
            assert moved == f"{room.site.url}/content/products/{lone.slug}.json"
        assert "brands/leica/index.html" not in room.target.bodies
        document = json.loads(room.target.bodies[f"content/products/{lone.slug}.json"])
        assert document["review_count"] == 45
        finder = json.loads(room.target.bodies["content/finder/1.json"])
        cameras = [row.split("\t") for row in finder if row and not row.startswith("1")]
        assert [f"{row[1]} {row[2]}" for row in cameras] == [lone.name]


def test_a_merge_leaves_no_numbered_page_behind() -> None:
    with newsroom() as room:
        room.staff()
        gone, kept = room.products[1], room.products[0]
        posted = [room.post(f"Reseña {number}", product=gone) for number in range(41)]
        for review in posted[1:]:
            room.writer.run(partial(reviews.move, review_id=review.id, state=State.draft))
        room.publish()
        pages = [f"cameras/{gone.slug}/reviews/{number}/index.html" for number in (1, 2, 3)]
        assert set(pages) <= set(room.target.bodies)
        room.writer.run(lambda tx: products.update(tx, gone.id, model="Otro nombre"))
        room.writer.run(lambda tx: duplicates.merge(tx, gone.id, kept.id))
        room.publish()
        assert_equal(list(room.ledger.desired()), room.clean_build())
        assert not set(pages) & set(room.target.bodies)


def test_an_editor_without_reviews_is_renamed_as_in_a_clean_build() -> None:
    with newsroom() as room:
        room.staff()
        room.post(editor=room.editors[0])
        room.publish()
        room.writer.run(lambda tx: editors.rename(tx, room.editors[1].id, "Otra"))
        room.publish()
        assert_equal(list(room.ledger.desired()), room.clean_build())


def test_a_planted_stale_page_is_found() -> None:
    """The comparison above can fail: a page that was not rendered after a change is reported."""
    with newsroom() as room:
        room.staff()
        review = room.post()
        room.publish()
        stale = list(room.ledger.desired())
        room.writer.run(lambda tx: reviews.update(tx, review.id, Draft(title="Otro título"), text("Otro texto")))
        clean = room.clean_build()
        found = [row for row in clean if row not in stale]
        assert f"reviews/{review.slug}/index.html" in {row.key for row in found}
        old = next(row for row in stale if row.key == f"reviews/{review.slug}/index.html")
        assert_equal(clean, clean)
        with pytest.raises(AssertionError):
            assert_equal([old if row.key == old.key else row for row in clean], clean)
        with pytest.raises(AssertionError):
            assert_equal(clean[1:], clean)


@pytest.mark.parametrize("folder", [sync_wire.FOLDER, postings.FOLDER])
def test_a_planted_bundle_that_is_not_what_its_name_says_is_found(folder: str) -> None:
    with newsroom() as room:
        room.staff()
        for number in range(20):
            room.post(f"Reseña {number}")
        room.publish()
        planted = next(key for key in room.target.bodies if key.startswith(folder))
        assert planted in lasting(room)
        room.target.bodies[planted] += b" "
        with pytest.raises(AssertionError):
            lasting(room)


def test_a_planted_leak_is_found() -> None:
    with newsroom() as room:
        room.staff()
        room.publish()
        room.writer.run(partial(name_unknown, room, 0, 3))
        assert secrets(room) == {"zorki-secreto3x"}
        room.publish()
        assert leaks(room, secrets(room)) == []
        room.writer.run(lambda tx: tx.db.conn.execute("DELETE FROM withheld"))
        room.publish()
        room.writer.run(lambda tx: products.create(tx, brand="Zorki", model="4", spec=room.products[0].spec))
        room.publish()
        assert "brands/zorki/index.html: zorki-secreto3x" in leaks(room, secrets(room))


def test_a_planted_dangling_link_is_found() -> None:
    with newsroom() as room:
        room.staff()
        review = room.post()
        room.publish()
        del room.target.bodies[f"reviews/{review.slug}/index.html"]
        assert f"index.html -> reviews/{review.slug}/index.html" in dangling(room)


def test_a_ledger_from_nothing_equals_the_old_one(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.staff()
    for number in range(25):
        room.post(f"Reseña {number}", product=room.products[number % 5])
    room.publish()
    other = Ledger(tmp_path / "other.db")
    builder = room.another_builder(other)
    builder.build()
    assert_equal(list(room.ledger.desired()), list(other.desired()))
    builder.close()
    other.close()
    room.close()
