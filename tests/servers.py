"""The real store and edge, one pair for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from publisher import local, settings
from publisher.settings import Settings


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """SeaweedFS and Caddy on free ports of the loopback; yields the settings that reach them."""
    blank = settings.load(
        {
            "DATA_DIR": str(tmp_path_factory.mktemp("object_store")),
            "STACK_EDGE_PORT": "0",
            "STACK_S3_PORT": "0",
        }
    )
    announced: list[str] = []
    with local.Stack(blank, announce=announced.append, parts=("s3", "edge")) as stack:
        yield stack.settings
