"""What several integration tests begin with: a newsroom, a worker beside an API server, clients of that server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from publisher.webhooks.courier import Courier
from tests.couriers import courier_of
from tests.integration.api_fixtures import Server
from tests.integration.press import Press
from tests.newsroom import Newsroom
from tests.receiver import Receiver, receiving


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with people and products, published once."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.publish()
    yield fresh
    fresh.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks that answers 204."""
    with receiving() as running:
        yield running


@pytest.fixture
def courier(room: Newsroom) -> Iterator[Courier]:
    """A courier that looks when a test says so, at the newsroom's clock."""
    made = courier_of(room)
    yield made
    made.close()


@pytest.fixture
def press(own_api_server: Server) -> Iterator[Press]:
    """A worker of `own_api_server`, which has published once."""
    made = Press(own_api_server)
    assert made.worker.round().failure == ""
    yield made
    made.close()


@pytest.fixture
def writer(own_api_server: Server) -> Iterator[httpx.Client]:
    """Somebody who writes to `own_api_server`."""
    with own_api_server.client("ana") as client:
        yield client
