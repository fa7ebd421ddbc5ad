"""The product finder: every spelling of a real camera or lens gives the right one among the first three.

The publisher's side asks the store as the write API does, the browser's the finder's own files; both take the spellings
from `tests/spellings.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from publisher.content import catalogue, duplicates, products
from publisher.content.model import LensSpec
from tests import finding
from tests.newsroom import Newsroom

TABLE = json.loads((Path(__file__).parents[1] / "spellings.json").read_text(encoding="utf-8"))
SPELT = [(kind, name, spelling) for kind, name, spellings in TABLE["same"] for spelling in (name, *spellings)]
WORDS_APART = [
    ("lens", "Canon EF 50mm f/1.8 STM", "ef 50 1.8 stm"),
    ("lens", "Canon EF 24-70mm f/2.8L II USM", "canon 24-70 2.8 ii"),
    ("camera", "Sony Alpha 7 IV", "sony iv 7"), ("camera", "Canon EOS 5D Mark IV", "canon 5d iv"),
    ("camera", "Leica M10", "m10 leica"),
]  # fmt: skip


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """A newsroom with the catalogue."""
    made = Newsroom(tmp_path_factory.mktemp("finder"))
    catalogue.load(made.writer)
    yield made
    made.close()


def browser(room: Newsroom, questions: list[str]) -> list[list[tuple[str, str]]]:
    """Kind and name of the first three that the browser finds for each question."""
    answers = finding.ask(room.folder, finding.site(room) | {"products": questions})["products"]
    return [[(kind, name) for kind, name, _ in found] for found in answers]


def test_the_table_is_long_enough() -> None:
    assert len(SPELT) >= 150


def test_the_browser_has_the_right_one_among_the_first_three(room: Newsroom) -> None:
    found = browser(room, [spelling for _, _, spelling in SPELT])
    missed = {
        spelling: first for (kind, name, spelling), first in zip(SPELT, found, strict=True) if (kind, name) not in first
    }
    assert missed == {}


def test_the_publisher_has_the_right_one_among_the_first_three(room: Newsroom) -> None:
    missed = {}
    for kind, name, spelling in SPELT:
        found = room.writer.run(lambda tx, kind=kind, said=spelling: products.candidates(tx.db, kind, said))  # type: ignore[misc]
        if name not in [product.name for product in found[:3]]:
            missed[spelling] = [product.name for product in found[:3]]
    assert missed == {}


def test_words_of_a_name_find_it_in_any_order_and_while_it_is_typed(room: Newsroom) -> None:
    found = browser(room, [question for _, _, question in WORDS_APART])
    missed = {
        asked: first for (kind, name, asked), first in zip(WORDS_APART, found, strict=True) if (kind, name) not in first
    }
    assert missed == {}


def test_another_number_is_another_camera(room: Newsroom) -> None:
    def is_one(said: str) -> bool:
        return len(room.writer.run(lambda tx: products.candidates(tx.db, "camera", said))) == 1

    pairs = [pair for pair in TABLE["different"] if all(map(is_one, pair))]
    assert len(pairs) >= 10
    ones, others = (browser(room, [pair[side] for pair in pairs]) for side in (0, 1))
    same = [pair for pair, one, other in zip(pairs, ones, others, strict=True) if one and one[:1] == other[:1]]
    assert same == []


def test_the_files_give_every_slug_that_the_site_has(room: Newsroom) -> None:
    known = room.writer.run(lambda tx: dict(tx.db.conn.execute("SELECT slug, 1 FROM products").fetchall()))
    names = [entry.name for entry in catalogue.entries()]
    answers = finding.ask(room.folder, finding.site(room) | {"products": names})["products"]
    assert {slug for found in answers for _, _, slug in found} <= set(known)
    assert sum(any(found) for found in answers) == len(names)


def test_whatever_a_name_holds_its_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = Newsroom(tmp_path)
    made.staff(cameras=2, lenses=1)  # of two brands
    spec = LensSpec(mounts=("Sony\tE", "Leica\nL"))
    odd = made.writer.run(
        partial(products.create, brand="Tam\tron", model="28\t75\nmm", aliases=("A\t063", "α 📷"), spec=spec)
    )
    gone = made.writer.run(partial(products.create, brand="Tam\tron", model="Doble", spec=LensSpec()))
    last = made.writer.run(partial(products.create, brand="Tam\tron", model="Último", spec=LensSpec()))
    made.writer.run(lambda tx: duplicates.merge(tx, gone.id, last.id))
    found = finding.ask(made.folder, finding.site(made) | {"products": ["28 75", "A 063", "último", "Tam ron doble"]})
    expected = [[["lens", name, slug]] for name, slug in (("Tam ron 28 75 mm", odd.slug),) * 2]
    assert found["products"] == [*expected, *[[["lens", "Tam ron Último", last.slug]]] * 2], "a merged one leads on"
    made.close()
