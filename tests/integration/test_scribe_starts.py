"""The process that writes when the system has no room for it, or does not let it go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from api import scribe as scribes
from publisher.errors import StoreError
from tests.integration.scribes import DEADLINE, asked, facts, note, pid, writing


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Inside, this process can open nothing."""
    most, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, allowed))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, allowed))


def test_one_that_cannot_be_started_anew_is_said_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "content.db"

    async def story() -> None:
        async with writing(path) as scribe:
            await asked(scribe, partial(note, name="first"))
            os.kill(pid(scribe), signal.SIGKILL)
            while vars(scribe)["_line"] is not None:
                await asyncio.sleep(0)
            with no_descriptor_left():
                with pytest.raises(StoreError, match="Too many open files"):
                    asked(scribe, partial(note, name="second"))
                waiting = scribe.submit(partial(note, name="third"))
                with pytest.raises(StoreError, match="Too many open files"):
                    await asyncio.wait_for(asyncio.wrap_future(waiting), DEADLINE)
            assert scribe.waiting == 0
            await asked(scribe, partial(note, name="last"))

    asyncio.run(story())
    assert {"first", "last"} <= facts(path)


def test_closing_does_not_wait_for_ever_for_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribes, "END_SECONDS", 0.2)
    path = tmp_path / "content.db"

    async def story() -> None:
        async with writing(path) as scribe:
            await asked(scribe, partial(note, name="first"))
            os.kill(pid(scribe), signal.SIGSTOP)
            hanging = asked(scribe, partial(note, name="hanging"))
            await asyncio.wait_for(asyncio.to_thread(scribe.close), DEADLINE)
            with pytest.raises(StoreError, match="may be written or not"):
                await hanging

    asyncio.run(story())
    assert "first" in facts(path)
