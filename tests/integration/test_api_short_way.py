"""A plain new review is answered past the framework, just as the framework would have answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.app import create_app
from publisher import settings as configuration
from publisher.content import editors
from publisher.content.model import Role
from publisher.content.writer import Writer
from publisher.settings import Settings
from tests.conftest import PASSWORD

CAMERA = {"title": "Dos años con ella", "content": "Una cámara **equilibrada**.", "camera_model": "Sony A7 IV"}
SHORT = (b"content-type", b"application/json")
LONG = (b"content-type", b"application/json; charset=utf-8")
"""Which is not plain: it says the same."""
Heard = tuple[int, dict[bytes, bytes], bytes]
Story = Callable[["Caller"], Awaitable[None]]


class Caller:
    """One who is signed in, and calls the application without a server between."""

    def __init__(self, app: Any) -> None:
        self.app, self.token, self.was_short = app, "", False

    async def sign_in(self) -> None:
        said = msgspec.json.encode({"email": "ana@example.com", "password": PASSWORD})
        _, _, body = await self.ask("POST", "/auth/token", said)
        self.token = msgspec.json.decode(body)["access_token"]
        await self.ask("GET", "/editors/me")

    async def ask(
        self, method: str, path: str, body: bytes = b"", *more: tuple[bytes, bytes], kind: tuple[bytes, bytes] = SHORT,
        pieces: int = 1,
    ) -> Heard:  # fmt: skip
        """The answer; `was_short` says which way it went."""
        headers = [(b"host", b"localhost"), kind, (b"content-length", b"%d" % len(body)), *more]
        if self.token:
            headers.append((b"authorization", b"Bearer " + self.token.encode()))
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1), "scheme": "http", "method": method, "root_path": "", "path": path,
            "raw_path": path.encode(), "query_string": b"", "headers": headers, "state": {},
        }  # fmt: skip
        size = -(-len(body) // pieces) or 1
        parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        self.was_short = "route_handler" not in scope
        return sent[0]["status"], dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:])

    async def post(self, said: object, *more: tuple[bytes, bytes], kind: tuple[bytes, bytes] = SHORT) -> Heard:
        return await self.ask("POST", "/reviews", _encoded(said), *more, kind=kind)


def _encoded(said: object) -> bytes:
    return said if isinstance(said, bytes) else msgspec.json.encode(said)


def run(chosen: Settings, story: Story) -> None:
    async def whole() -> None:
        app = create_app(chosen)
        async with app.lifespan():
            caller = Caller(app)
            await caller.sign_in()
            await story(caller)

    asyncio.run(whole())


@pytest.fixture
def chosen(tmp_path: Path, password_hash: str) -> Settings:
    """Settings of an application with one administrator."""
    made = configuration.load({"DATA_DIR": str(tmp_path), "SITE_URL": "https://portal.example", "LOG_LEVEL": "error"})
    with Writer(made.data.content_db) as writer:
        writer.run(
            lambda tx: editors.create(
                tx, email="ana@example.com", name="Ana", role=Role.administrator, password_hash=password_hash
            )
        )
    return made


def told(answer: Heard) -> tuple[int, dict[bytes, bytes], Any]:
    """An answer without what differs between any two."""
    status, headers, body = answer
    said = msgspec.json.decode(body)
    for name in ("id", "slug", "url", "document", "created_at", "updated_at", "published_at", "publish", "request_id"):
        said.pop(name, None)
    own = {b"x-request-id", b"content-length", b"link", b"location"}
    return status, {name: value for name, value in headers.items() if name not in own}, said


BODIES = {
    "the simplest": CAMERA,
    "a draft": CAMERA | {"state": "draft", "tags": ["Retrato", "luz"], "rating": 8.5, "pros": ["a"], "cons": ["b"]},
    "a lens": {"title": "t", "content": "c", "lens_model": "Canon RF 50mm F1.8 STM"},
    "no title": {"content": "c", "camera_model": "Sony A7 IV"},
    "an unknown field": CAMERA | {"titel": "x"},
    "no product": {"title": "t", "content": "c"},
    "two products": CAMERA | {"lens_model": "Canon RF 50mm F1.8 STM"},
    "a bad id": CAMERA | {"id": "1"},
    "a slug that is taken": CAMERA | {"slug": "tomado"},
    "an unknown product": {"title": "t", "content": "c", "product_id": "019a2f6e-0001-7b20-8000-0c1d2e3f4a5c"},
    "HTML of its own": CAMERA | {"content": "<script>alert(1)</script> <b>fett</b>"},
    "nested too deep": CAMERA | {"content": ">" * 300 + " x"},
    "a control character": CAMERA | {"title": "a\x01b"},
    "no JSON": b'{"title": ',
    "a name twice": b'{"title":"a","title":"b","content":"c","camera_model":"Sony A7 IV"}',
    "nothing": b"",
    "an invisible title": CAMERA | {"title": "\u200b"},
}


@pytest.mark.parametrize("name", BODIES)
def test_both_ways_give_the_same_answer(chosen: Settings, name: str) -> None:
    async def story(caller: Caller) -> None:
        await caller.post(CAMERA | {"slug": "tomado"})
        short = await caller.post(BODIES[name])
        was_short = caller.was_short
        long = await caller.post(BODIES[name], kind=LONG)
        assert not caller.was_short
        assert told(short) == told(long)
        assert was_short == (short[0] == 201 and name != "HTML of its own"), "what is refused goes the long way"
        for head, made in ((short[1], short), (long[1], long)):
            assert head[b"content-length"] == b"%d" % len(made[2])
            if made[0] == 201:
                review = msgspec.json.decode(made[2])
                assert head[b"location"] == f"/reviews/{review['id']}".encode()
                assert head[b"link"] == f'<{review["publish"]}>; rel="monitor"'.encode()
                _, _, read = await caller.ask("GET", head[b"location"].decode())
                assert msgspec.json.decode(read).items() <= review.items()

    run(chosen, story)


def test_what_is_not_plain_goes_the_long_way(chosen: Settings) -> None:
    async def story(caller: Caller) -> None:
        body = _encoded(CAMERA)
        assert (await caller.ask("POST", "/reviews", body))[0] == 201
        assert caller.was_short, "else this test shows nothing"
        for more in (
            (b"idempotency-key", b"a-key-of-ours"), (b"content-encoding", b"identity"), (b"host", b"localhost"),
            (b"transfer-encoding", b"chunked"),
        ):  # fmt: skip
            status, _, _ = await caller.ask("POST", "/reviews", body, more)
            assert status == 201
            assert not caller.was_short
        assert (await caller.ask("POST", "/reviews", body, pieces=3))[0] == 201
        assert caller.was_short
        refused = await caller.ask("POST", "/reviews", _encoded(BODIES["a bad id"]), pieces=3)
        assert refused[0] == 400, "the body is given once more, whole"
        again = [await caller.ask("POST", "/reviews", body, (b"idempotency-key", b"another")) for _ in range(2)]
        assert again[0][2] == again[1][2]
        for kind in ((b"content-type", b"text/plain"), (b"content-encoding", b"gzip")):
            assert (await caller.ask("POST", "/reviews", body, kind=kind))[0] == 415

    run(chosen, story)


def test_who_signed_out_is_known_no_more_at_once(chosen: Settings) -> None:
    async def story(caller: Caller) -> None:
        assert (await caller.post(CAMERA))[0] == 201
        assert caller.was_short
        assert (await caller.ask("POST", "/auth/revoke", b"{}"))[0] == 204
        assert (await caller.post(CAMERA))[0] == 401
        caller.token = ""
        assert (await caller.post(CAMERA))[0] == 401
        caller.token = "ey.no.token"
        assert (await caller.post(CAMERA))[0] == 401

    run(chosen, story)


def test_a_disk_that_is_nearly_full_takes_nothing_by_either_way(chosen: Settings) -> None:
    async def story(caller: Caller) -> None:
        assert (await caller.post(CAMERA))[0] == 507
        assert (await caller.post(CAMERA, kind=LONG))[0] == 507

    full = msgspec.structs.replace(chosen, data=msgspec.structs.replace(chosen.data, low_water=1 << 62))
    run(full, story)
