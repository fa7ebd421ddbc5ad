"""The process that writes when the system has no room for it."""

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
