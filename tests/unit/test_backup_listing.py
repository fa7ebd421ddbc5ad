"""A store that does not answer ends the listing of a backup with words, instead of holding up whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher import litestream
from publisher.errors import BackupError


def test_a_listing_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "litestream"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(litestream, "LISTING_SECONDS", 0.2)
    place = litestream.Place(bucket="b")
    backup = litestream.Litestream(
        program, tmp_path / "kept", place, tmp_path / "content.db", {"PATH": "/bin:/usr/bin"}
    )
    with pytest.raises(BackupError, match="its store did not answer"):
        backup.held()
