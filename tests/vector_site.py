"""The small site behind the test vectors: published version after version, the same in every run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from publisher import keys
from publisher.content import duplicates, editors, effects, ids, products, reviews
from publisher.content.model import Draft, Slug, State
from publisher.site import sync, sync_wire
from publisher.site.sync_wire import SIGNED_HEAD
from tests.newsroom import SITE, START, Newsroom, text

Json = dict[str, Any]


def key(seed: str) -> Ed25519PrivateKey:
    """A key that is the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


OURS, NEXT, THEIRS = key("ours"), key("next"), key("theirs")


def kid(of: Ed25519PrivateKey) -> str:
    """The id of a key."""
    return keys.thumbprint(of.public_key())


class World:
    """A site that was published, version after version: every head, object and state."""

    def __init__(self, folder: Path) -> None:
        self.heads: dict[int, bytes] = {}
        self.states: dict[int, Json] = {}
        self.objects: dict[str, bytes] = {}
        before = ids._random.getstate()
        ids._random.seed(6)  # else every run would have other ids
        put_key(folder / "room" / "keys", OURS)
        self.room = Newsroom(folder / "room")
        self.room.staff(count=2, cameras=3, lenses=1)
        for _ in self._history():
            self._publish()
        self.versions = sorted(self.heads)
        self.keyset = self.room.target.bodies[sync_wire.KEYS]
        self.room.close()
        ids._random.setstate(before)

    def head(self, version: int) -> Json:
        """The payload of a head."""
        return dict(json.loads(base64.urlsafe_b64decode(self.heads[version].split(b".")[1] + b"==")))

    def _history(self) -> Iterator[None]:
        """Some 150 changes of every kind; a yield publishes."""
        room, write = self.room, self.room.writer.run
        yield
        known = []
        for number in range(20):
            product = room.products[number % 4] if number % 5 else None
            known.append(room.post(f"Reseña {number}", f"Texto *{number}*. " * 120, product=product, tags=("viaje",)))
        yield
        write(partial(reviews.move, review_id=known[3].id, state=State.archived))
        yield
        for number in (4, 4, 4, 5):
            draft = Draft(title=f"Otra {number}", slug=Slug(f"otra-{number}"), tags=("noche", "Río"), rating=8.5)
            write(partial(reviews.update, review_id=known[number].id, draft=draft, body=text("Nuevo **texto**.")))
            yield
        write(lambda tx: duplicates.merge(tx, room.products[1].id, room.products[0].id))
        write(lambda tx: products.update(tx, room.products[2].id, model="Modelo 2b"))
        write(lambda tx: editors.rename(tx, room.editors[0].id, "Ñandú 日本"))
        yield
        for number in range(130):
            chosen = known[number % 7]
            if chosen.id != known[3].id:
                draft = Draft(title=f"Edición {number}", tags=("viaje",), product_id=room.products[number % 3 and 2].id)
                write(partial(reviews.update, review_id=chosen.id, draft=draft, body=text(f"Palabras {number}. " * 60)))
        yield
        room.post("La última", "Fin.")
        yield

    def _publish(self) -> None:
        self.room.clock.at = START.replace(hour=13) + (self.room.clock.at - START)
        self.room.publish()
        bodies = self.room.target.bodies
        version = json.loads(bodies[sync_wire.HEAD])["version"]
        self.heads[version] = bodies[SIGNED_HEAD]
        self.objects = {name: body for name, body in bodies.items() if name.startswith(sync_wire.FOLDER)}
        self.states[version] = self._state()

    def _state(self) -> Json:
        """Every record that is public now, from the database itself: what a client must come to."""

        def told(tx: Any) -> Json:
            number = effects.newest(tx.db).number
            everything = [*effects.reviews_at(tx.db, number, 0, 10**6)]
            for entity in ("product", "editor"):
                everything += effects.others_at(tx.db, entity, number, 0, -1)
            return dict(json.loads(sync.bundle(SITE, everything)))

        state: Json = self.room.writer.run(told)
        return {
            name: sorted(state[name], key=lambda one: str(one["id"])) for name in ("editors", "products", "reviews")
        }


def put_key(folder: Path, private: Ed25519PrivateKey) -> None:
    """Put a key where the publisher finds it."""
    folder.mkdir(parents=True)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"20260101T000000.000000Z-{kid(private)}.pem").write_bytes(pem)
