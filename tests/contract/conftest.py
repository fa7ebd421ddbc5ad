"""The real store, as the integration tests start it."""

from __future__ import annotations

from tests.integration.conftest import object_store

__all__ = ["object_store"]
