"""Fixtures of the audit's tests: a newsroom that was written once, and copies of it to be spoiled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from publisher.content import database, reviews
from publisher.content.model import Draft, State
from tests.newsroom import Newsroom, text


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Newsroom:
    """A newsroom, closed, with three reviews, one of them in three versions."""
    fresh = Newsroom(tmp_path_factory.mktemp("audit"))
    fresh.staff()
    first = fresh.post("Una", product=fresh.products[0])
    fresh.post("Otra", "Palabras <b>fuertes</b> y [una liga](https://example.org).")
    fresh.post("Un borrador", state=State.draft)
    fresh.writer.run(lambda tx: reviews.update(tx, first.id, Draft(title="Dos"), text("Nueva.")), actor="ana")
    fresh.writer.run(lambda tx: reviews.move(tx, first.id, State.archived), actor="ana")
    fresh.close()
    return fresh


@pytest.fixture
def room(written: Newsroom, tmp_path: Path) -> Path:
    """A copy of its database, to be spoiled."""
    return Path(shutil.copytree(written.folder, tmp_path / "copy"), written.content_db.name)


@pytest.fixture
def alive(written: Newsroom, room: Path) -> Iterator[Newsroom]:
    """The newsroom of that copy, open."""
    opened = Newsroom(room.parent)
    opened.editors, opened.products, opened.clock.at = [*written.editors], [*written.products], written.clock.at
    yield opened
    opened.close()


def ask(room: Path, query: str, *values: Any) -> Any:
    with closing(database.connect(room, readonly=True)) as db:
        return db.conn.execute(query, values).fetchone()[0]
