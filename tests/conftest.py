"""Fixtures for every kind of test: a fresh store with people and products in it, and the corpus of real posts."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from benchmarks import generator
from publisher.content import catalogue, editors
from publisher.content.catalogue import Catalogue, Entry
from publisher.content.model import CameraSpec, Editor, LensSpec, Role
from publisher.content.writer import Writer
from tests.integration.api_fixtures import ana as ana
from tests.integration.api_fixtures import api_server as api_server
from tests.integration.api_fixtures import beto as beto
from tests.integration.api_fixtures import nobody as nobody
from tests.integration.api_fixtures import own_api_server as own_api_server
from tests.integration.laptops import author as author
from tests.integration.laptops import elsewhere as elsewhere
from tests.integration.laptops import free_slug as free_slug
from tests.integration.laptops import laptop as laptop
from tests.integration.laptops import network as network
from tests.integration.laptops import second_laptop as second_laptop
from tests.servers import aws as aws
from tests.servers import nginx_edge as nginx_edge
from tests.servers import object_store as object_store

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
"""Hypothesis judges values, never how long a busy machine took to make or try one."""
ARCHIVE = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus" / "corpus.tar.xz"
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SAMPLE = 300
PASSWORD = "correct horse battery"

SMALL_CATALOGUE = Catalogue(
    entries=(
        Entry(brand="Canon", model="EOS 5D Mark IV", aliases=(), spec=CameraSpec(mount="Canon EF")),
        Entry(brand="Fujifilm", model="X-T5", aliases=(), spec=CameraSpec(mount="Fujifilm X", crop_factor=1.5)),
        Entry(brand="Sony", model="Alpha 3000", aliases=("ILCE-3000",), spec=CameraSpec(mount="Sony E")),
        Entry(brand="Sony", model="Alpha 7 IV", aliases=("ILCE-7M4",), spec=CameraSpec(mount="Sony E")),
        Entry(
            brand="Sony",
            model="FE 24-70mm f/2.8 GM",
            aliases=(),
            spec=LensSpec(mounts=("Sony E",), focal_min_mm=24, focal_max_mm=70, aperture_wide=2.8),
        ),
    ),
    left_out=0,
)


class Clock:
    """A clock that moves a second each time it is read, and to wherever it is set."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def corpus_folder() -> Path | None:
    """The folder of real posts that the variable CORPUS names; None when it names none."""
    named = os.environ.get("CORPUS", "")
    return Path(named) if named else None


def has_corpus() -> bool:
    """Whether there are real posts: a folder named by CORPUS, or the archive beside the checkout."""
    return corpus_folder() is not None or ARCHIVE.is_file()


def pytest_report_header() -> list[str]:
    if has_corpus():
        return []
    return ["corpus: no folder named by CORPUS and no archive beside the checkout; tests that read it are deselected"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A checkout without the corpus does without the tests that read it, and says so in the header."""
    if has_corpus():
        return
    reading = [item for item in items if "corpus" in getattr(item, "fixturenames", ())]
    if reading:
        config.hook.pytest_deselected(items=reading)
        items[:] = [item for item in items if item not in reading]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real posts: the one that CORPUS names, else the archive beside the checkout, unpacked."""
    folder = corpus_folder()
    if folder is not None:
        if not folder.is_dir():
            pytest.fail(f"CORPUS names {folder}, which is not a folder")
        return folder
    if not ARCHIVE.is_file():
        pytest.fail("there is no corpus: set CORPUS to a folder of Markdown posts")
    place = tmp_path_factory.mktemp("corpus")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place


@pytest.fixture(scope="session")
def posts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 posts: a fixed sample of the corpus, in three languages, or made ones where there is none."""
    folder = tmp_path_factory.mktemp("posts")
    if not has_corpus():
        for number, made in enumerate(generator.generate(SAMPLE, seed=1)):
            matter = msgspec.json.encode({"title": made.draft.title, "tags": made.draft.tags}).decode()
            (folder / f"post-{number}.md").write_text(f"---\n{matter}\n---\n{made.markdown}", encoding="utf-8")
        return folder
    found = sorted(request.getfixturevalue("corpus").rglob("*.md"))
    own = [path for path in found if "camera-reviews" in path.parts]
    foreign = {name: [path for path in found if name in path.parts] for name in ("es", "pt", "en")}
    chosen = own[:60]
    for paths in foreign.values():
        chosen += [path for path in paths[:: max(len(paths) // 80, 1)] if path not in chosen][:80]
    for path in chosen[:SAMPLE]:
        name = "-".join(path.relative_to(found[0].parents[2]).parts[-3:])
        (folder / name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of PASSWORD, made once: it costs what a password hash should cost."""
    return editors.hash_password(PASSWORD)


@pytest.fixture
def clock() -> Clock:
    """The clock of `fresh_store`."""
    return Clock()


@pytest.fixture
def fresh_store(tmp_path: Path, clock: Clock, password_hash: str) -> Iterator[tuple[Writer, Path]]:
    """A writer and the path of its database, with one chief editor and a catalogue of five products."""
    path = tmp_path / "content.db"
    with Writer(path, clock=clock) as writer:
        writer.run(
            lambda tx: editors.create(
                tx, email="ana@example.org", name="Ana Ñandú", role=Role.chief, password_hash=password_hash
            )
        )
        catalogue.load(writer, SMALL_CATALOGUE)
        yield writer, path


@pytest.fixture
def editor(fresh_store: tuple[Writer, Path]) -> Editor:
    """The one editor of `fresh_store`."""
    found = fresh_store[0].run(lambda tx: editors.first(tx.db, Role.chief))
    assert found is not None
    return found
