"""Keeps a local copy of the reviews of a RandomCameraReviews site: verified, resumable, readable offline."""

from __future__ import annotations

from randomcamerareviews.client import Client, Synced
from randomcamerareviews.errors import RefusedError, SyncError, UnreachableError

__all__ = ["Client", "RefusedError", "SyncError", "Synced", "UnreachableError"]
