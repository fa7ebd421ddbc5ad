"""The process that writes for the application: in order, durable when answered, whole whoever of the two dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from api.scribe import Scribe
from api.scribing import Frames, framed
from publisher.content import migrations
from publisher.content.database import connect
from publisher.content.model import CameraSpec, LensSpec, Source
from publisher.content.writer import Transaction, Writer
from publisher.errors import AmbiguousNameError, InvalidError, StaleVersionError, StoreError, TokenError
from tests.integration.scribes import DEADLINE, asked, facts, length, note, pid, refuse, sleep, spoil, unheard, writing

ROOT = Path(__file__).parents[2]


def test_what_is_answered_is_in_the_database_and_in_the_order_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    groups: list[int] = []

    async def story() -> None:
        async with writing(path, measure=lambda operations, seconds: groups.append(operations)) as scribe:
            order: list[str] = []
            for number in range(600):
                asked(scribe, partial(note, name=f"{number:03}")).add_done_callback(
                    lambda one: order.append(one.result())
                )
            await asked(scribe, partial(note, name="last"))
            assert order == [f"{number:03}" for number in range(600)]
            assert "last" in facts(path)
            assert scribe.waiting == 0

    asyncio.run(story())
    assert len(facts(path) & {f"{number:03}" for number in range(600)}) == 600
    assert sum(groups) == 601
    assert len(groups) < 601, "nothing shared a commit"


def test_threads_wait_for_it_beside_the_loop(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with writing(tmp_path / "content.db") as scribe:
            calls = (asyncio.to_thread(scribe.run, partial(note, name=f"{number}")) for number in range(20))
            return await asyncio.gather(*calls)

    assert asyncio.run(story()) == [f"{number}" for number in range(20)]


REFUSALS = (
    StaleVersionError(3, 4, {"title": "both"}),
    AmbiguousNameError("$.camera_model", "G9", (("1", "Canon PowerShot G9"), ("2", "Panasonic G9"))),
    TokenError("over", has_ended=True),
    KeyError("a fault of ours"),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: type(one).__name__)
def test_a_refusal_arrives_as_it_was_raised(tmp_path: Path, refusal: Exception) -> None:
    async def story() -> BaseException | None:
        async with writing(tmp_path / "content.db") as scribe:
            future = asked(scribe, partial(refuse, error=refusal))
            await asyncio.wait([future])
            return future.exception()

    arrived = asyncio.run(story())
    assert type(arrived) is type(refusal)
    assert str(arrived) == str(refusal)
    said = {name: value for name, value in vars(arrived).items() if name != "__notes__"}
    assert said == vars(refusal)


def test_an_unforeseen_refusal_says_where_it_came_from(tmp_path: Path) -> None:
    async def story() -> BaseException | None:
        async with writing(tmp_path / "content.db") as scribe:
            future = asked(scribe, partial(refuse, error=KeyError("a fault of ours")))
            await asyncio.wait([future])
            return future.exception()

    arrived = asyncio.run(story())
    assert arrived is not None
    assert "in refuse" in arrived.__notes__[0]


def test_a_refusal_or_an_answer_that_cannot_travel_hurts_no_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> list[Any]:
        async with writing(path) as scribe:
            operations: list[Callable[[Transaction], Any]] = [
                partial(note, name="before"), partial(spoil, name="spoilt"), unheard, partial(note, name="after"),
            ]  # fmt: skip
            return await asyncio.gather(*(asked(scribe, one) for one in operations), return_exceptions=True)

    before, spoilt, unheard_of, after = asyncio.run(story())
    assert (before, after) == ("before", "after")
    assert isinstance(spoilt, InvalidError)
    assert type(unheard_of) is StoreError
    assert {"before", "after"} <= facts(path)
    assert "spoilt" not in facts(path)


def test_an_operation_made_within_a_function_is_refused_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with writing(tmp_path / "content.db") as scribe:
            with pytest.raises((AttributeError, TypeError, ValueError)):
                asked(scribe, lambda tx: None)
            assert await asked(scribe, partial(note, name="next")) == "next"

    asyncio.run(story())


def test_more_than_a_socket_takes_at_once_goes_both_ways(tmp_path: Path) -> None:
    async def story() -> list[Any]:
        async with writing(tmp_path / "content.db") as scribe:
            large = "x" * 5_000_000
            sizes = [asked(scribe, partial(length, text=large)) for _ in range(8)]
            names = [asked(scribe, partial(note, name=f"{number}" * 200_000)) for number in range(8)]
            await asyncio.gather(*names)
            return await asyncio.gather(*sizes)

    assert asyncio.run(story()) == [5_000_000] * 8


def test_messages_come_in_any_pieces() -> None:
    messages = [(number, b"x" * size) for number, size in enumerate((0, 1, 11, 12, 13, 5000), start=1)]
    stream = b"".join(framed(*message) for message in messages)
    for piece in (1, 2, 7, 12, 13, 100, len(stream)):
        frames = Frames()
        came = [one for at in range(0, len(stream), piece) for one in frames.take(stream[at : at + piece])]
        assert came == messages


def test_a_writer_that_is_killed_answers_nothing_that_is_not_there_and_another_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> tuple[set[str], int]:
        told, lost = set[str](), 0
        async with writing(path) as scribe:
            for life in range(4):
                while f"{life} first" not in told:  # what is sent to one that is dead already is lost as well
                    with contextlib.suppress(StoreError):
                        told.add(await asked(scribe, partial(note, name=f"{life} first")))
                many = [asked(scribe, partial(note, name=f"{life} {number}")) for number in range(300)]
                if life % 2:
                    await many[250]
                asked(scribe, partial(sleep, seconds=DEADLINE)).add_done_callback(asyncio.Future.exception)
                many += [asked(scribe, partial(note, name=f"{life} {number}")) for number in range(300, 400)]
                os.kill(pid(scribe), signal.SIGKILL)
                for one in await asyncio.gather(*many, return_exceptions=True):
                    if isinstance(one, str):
                        told.add(one)
                    else:
                        assert type(one) is StoreError
                        lost += 1
            told.add(await asked(scribe, partial(note, name="the last")))
        return told, lost

    told, lost = asyncio.run(story())
    assert "the last" in told
    assert told <= facts(path)
    assert len(told) > 400, "nothing was answered before a kill"
    assert lost >= 400, "nothing was lost by one"


def test_one_that_is_killed_while_it_takes_no_more_is_followed_by_another(tmp_path: Path) -> None:
    async def story() -> None:
        async with writing(tmp_path / "content.db") as scribe:
            os.kill(pid(scribe), signal.SIGSTOP)
            large = asked(scribe, partial(length, text="x" * 5_000_000))
            await asyncio.sleep(0)  # the socket holds no more, and the rest waits for it
            os.kill(pid(scribe), signal.SIGKILL)
            with pytest.raises(StoreError):
                await large
            assert await asyncio.wait_for(asked(scribe, partial(note, name="next")), DEADLINE) == "next"

    asyncio.run(story())


def test_what_is_asked_for_is_on_its_way_before_the_loop_turns(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> None:
        async with writing(path) as scribe:
            answered = asked(scribe, partial(note, name="early"))
            deadline = time.monotonic() + DEADLINE
            while "early" not in facts(path):  # the loop does nothing else meanwhile
                assert time.monotonic() < deadline, "nothing is begun before the loop has its turn"
            assert not answered.done()
            assert await answered == "early"

    asyncio.run(story())


def test_a_crowd_goes_by_fours_and_who_is_left_over_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> None:
        async with writing(path) as scribe:
            names = [f"{number}" for number in range(5)]  # the first of them alone
            answered = [asked(scribe, partial(note, name=name)) for name in names]
            deadline = time.monotonic() + DEADLINE
            while not facts(path).issuperset(names):  # the loop does nothing else meanwhile
                assert time.monotonic() < deadline, "five are not sent before the loop has its turn"
            answered += [asked(scribe, partial(note, name=name)) for name in ("sixth", "seventh")]
            assert await asyncio.wait_for(asyncio.gather(*answered), DEADLINE) == [*names, "sixth", "seventh"]

    asyncio.run(story())


def test_closing_answers_what_was_asked_before_and_refuses_what_comes_after(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> None:
        scribe = Scribe(path, hint=tmp_path / "nobody.sock", imports=__name__)
        child = psutil.Process(pid(scribe))
        asked(scribe, partial(sleep, seconds=0.2))
        late = [asked(scribe, partial(note, name=f"{number}")) for number in range(50)]
        closing = asyncio.create_task(asyncio.to_thread(scribe.close))
        await asyncio.gather(*late)
        await closing
        assert not child.is_running()
        with pytest.raises(StoreError):
            asked(scribe, partial(note, name="too late"))
        with pytest.raises(StoreError):
            await asyncio.to_thread(scribe.run, partial(note, name="too late"))

    asyncio.run(story())
    assert {f"{number}" for number in range(50)} <= facts(path)


def test_a_database_that_cannot_be_opened_is_said_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    db = connect(path)
    db.conn.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    db.close()

    async def story() -> None:
        Scribe(path, hint=tmp_path / "nobody.sock", imports=__name__)

    with pytest.raises(StoreError, match="upgrade the program"):
        asyncio.run(story())


def test_it_ends_when_the_application_is_killed_and_not_before(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, pathlib, signal, sys\n"
        "from functools import partial\n"
        "from tests.integration.scribes import asked, note, pid, writing\n"
        "async def story():\n"
        "    async with writing(pathlib.Path(sys.argv[1])) as scribe:\n"
        "        child = pid(scribe)\n"
        "        os.kill(child, signal.SIGTERM)\n"  # what stops all of a service: the application ends first
        "        await asked(scribe, partial(note, name='after the signal'))\n"
        "        print(child, pid(scribe), flush=True)\n"
        "        await asyncio.sleep(3600)\n"
        "asyncio.run(story())\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "content.db")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as application:
        assert application.stdout is not None
        before, after = map(int, application.stdout.readline().split())
        child = psutil.Process(after)
        application.kill()
    assert before == after, "what was told to stop goes on answering"
    psutil.wait_procs([child], timeout=DEADLINE)
    assert not child.is_running()


def test_what_others_write_between_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> None:
        async with writing(path) as scribe:
            with Writer(path) as other:
                for number in range(20):
                    await asked(scribe, partial(note, name=f"{number} ours"))
                    other.run(partial(note, name=f"{number} theirs"))

    asyncio.run(story())
    assert len(facts(path)) >= 40


def test_answers_travel_with_their_types(tmp_path: Path) -> None:
    async def story() -> object:
        async with writing(tmp_path / "content.db") as scribe:
            return await asked(scribe, moment)

    assert isinstance(asyncio.run(story()), Kept)


class Kept(msgspec.Struct, frozen=True):
    """Something of ours."""

    at: Any


def moment(tx: Transaction) -> Kept:
    return Kept(tx.at)


def test_what_travelled_is_said_in_the_same_bytes(tmp_path: Path) -> None:
    """JSON leaves out a default, and takes for one only the very object: a copy would change answers and digests."""
    told = (
        Source(text="our scales"), Source(url="https://acme.example/uno"), Source(origin="lensfun"),
        msgspec.json.decode(b'{"text":"x","origin":"editor"}', type=Source), CameraSpec(), LensSpec(),
        CameraSpec(mount="Sony E", stabilised=True), LensSpec(mounts=("Sony E",)),
    )  # fmt: skip

    async def story() -> object:
        async with writing(tmp_path / "content.db") as scribe:
            return await asked(scribe, partial(echo, said=told))

    travelled = asyncio.run(story())
    assert travelled == told
    assert msgspec.json.encode(travelled) == msgspec.json.encode(told)


def echo(tx: Transaction, said: object) -> object:
    return said
