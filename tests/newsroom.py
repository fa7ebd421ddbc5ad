"""A newsroom for tests: a content database with people and products, a builder, and a target in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from publisher.builder import Builder, Built
from publisher.bundler import begin_epoch_if_back
from publisher.content import editors, products, reviews
from publisher.content.model import CameraSpec, Draft, Editor, LensSpec, Product, Review, Role, State, Text
from publisher.content.writer import Transaction, Writer
from publisher.delivery import caps
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pushed, Pusher
from publisher.delivery.targets import HIDDEN, Found, Read
from publisher.errors import RefusedError, TargetError
from publisher.signing import Signing
from publisher.site import markdown
from publisher.site.pages import Site

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = Site(title="RandomCameraReviews", language="es", url="https://reviews.example")


class Clock:
    """A clock that moves a second each time it is read, and further when told to."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


class Memory:
    """A target in memory that counts what it is asked to do; `broken` keys fail, once each."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.bodies: dict[str, bytes] = {}
        self.headers: dict[str, tuple[str, str]] = {}
        self.notes: dict[str, str] = {}
        self.puts: list[str] = []
        self.deletes: list[str] = []
        self.broken: set[str] = set()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        if key in self.broken:
            self.broken.discard(key)
            raise TargetError(f"{self.name}: PUT {key} failed: planted")
        self.puts.append(key)
        self.bodies[key], self.headers[key] = body, (content_type, cache_control)
        self.notes.pop(key, None)
        return _tag(body)

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        found = self.look(key)
        if (found.tag if found else None) != tag:
            raise RefusedError(f"{self.name}: {key} does not hold what it should")
        self.put(key, body, content_type, cache_control)
        self.notes[key] = note
        return _tag(body)

    def look(self, key: str, *, with_body: bool = True) -> Found | None:
        if key not in self.bodies:
            return None
        return Found(tag=_tag(self.bodies[key]), note=self.notes.get(key, ""), body=self.bodies[key])

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.deletes.append(key)
            self.bodies.pop(key, None)
            self.headers.pop(key, None)

    def get(self, key: str) -> bytes | None:
        return self.bodies.get(key)

    def read(self, key: str) -> Read | None:
        return Read(self.bodies[key], self.headers[key]) if key in self.bodies else None

    def keys(self) -> Iterator[str]:
        yield from sorted(key for key in self.bodies if not key.startswith(HIDDEN))

    def listed(self) -> Iterator[tuple[str, int]]:
        yield from ((key, len(self.bodies[key])) for key in self.keys())


def _tag(body: bytes) -> str:
    """What stores take: the same for the same body, whatever its headers."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class Newsroom:
    """Everything from a review to an object in memory, on one folder."""

    def __init__(self, folder: Path, *, site: Site = SITE, workers: int = 1) -> None:
        self.folder, self.site, self.workers = folder, site, workers
        self.clock = Clock()
        self.content_db = folder / "content.db"
        self.writer = Writer(self.content_db, clock=self.clock)
        self.objects = Objects(folder / "build")
        self.ledger = Ledger(folder / "ledger.db")
        self.target = Memory()
        self.builder = self.another_builder(self.ledger)
        self.pusher = Pusher(self.ledger, self.objects, self.target, concurrency=4, cap=caps.UNLIMITED)
        self.editors: list[Editor] = []
        self.products: list[Product] = []

    def close(self) -> None:
        self.pusher.close()
        self.builder.close()
        self.ledger.close()
        self.objects.close()
        self.writer.close()

    def another_builder(self, ledger: Ledger) -> Builder:
        return Builder(
            self.content_db, ledger, self.objects, self.site, build_dir=self.folder / "build", workers=self.workers,
            clock=self.clock, signer=Signing(self.folder / "keys", clock=self.clock),
        )  # fmt: skip

    def restore(self, backup: Path) -> None:
        """Put an older database in place of this one, as from a backup."""
        self.builder.close()
        self.writer.close()
        for path in self.folder.glob("content.db*"):
            path.unlink()
        backup.rename(self.content_db)
        begin_epoch_if_back(self.content_db, self.ledger)
        self.writer = Writer(self.content_db, clock=self.clock)
        self.builder = self.another_builder(self.ledger)

    def staff(self, count: int = 2, cameras: int = 3, lenses: int = 2) -> None:
        """Hire editors and fill a small catalogue."""
        self.editors += [self.writer.run(partial(_editor, number=number)) for number in range(count)]
        first = len(self.products)
        self.products += [self.writer.run(partial(_camera, number=first + number)) for number in range(cameras)]
        self.products += [self.writer.run(partial(_lens, number=first + number)) for number in range(lenses)]

    def post(
        self,
        title: str = "Una reseña",
        words: str = "Hola, *mundo*.",
        *,
        product: Product | None = None,
        editor: Editor | None = None,
        tags: tuple[str, ...] = ("viaje",),
        state: State = State.published,
        publish_at: datetime | None = None,
    ) -> Review:
        """Write a review."""
        draft = Draft(title=title, product_id=product.id if product else None, tags=tags)
        body, author = text(words), editor or self.editors[0]
        return self.writer.run(
            lambda tx: reviews.create(tx, draft, body, editor_id=author.id, state=state, publish_at=publish_at),
            actor=author.id,
        )

    def build(self) -> Built:
        return self.builder.build()

    def publish(self) -> Pushed:
        """Build and push."""
        self.builder.build()
        return self.pusher.run()

    def clean_build(self) -> list[Desired]:
        """What a build from nothing makes of the same content."""
        ledger = Ledger(":memory:")
        builder = self.another_builder(ledger)
        try:
            builder.build()
            return list(ledger.desired())
        finally:
            builder.close()
            ledger.close()


def _editor(tx: Transaction, number: int) -> Editor:
    email, name = f"editor{number}@example.com", f"Editora {number}"
    return editors.create(tx, email=email, name=name, role=Role.editor, password_hash="-")


def _camera(tx: Transaction, number: int) -> Product:
    spec = CameraSpec(mount="X", crop_factor=1.5 + number / 10, aspect_ratio="3:2")
    return products.create(tx, brand="Fujifilm" if number % 2 else "Canon", model=f"Modelo {number}", spec=spec)


def _lens(tx: Transaction, number: int) -> Product:
    return products.create(tx, brand="Tamron", model=f"{number + 2}0mm f/2.8", spec=LensSpec(mounts=("X",)))


def text(words: str) -> Text:
    """A rendered body."""
    return markdown.render(words)
