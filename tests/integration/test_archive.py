"""`publisher archive` as an operator has it: a site moves to another folder and is built there to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from publisher import settings
from publisher.cli import main
from publisher.content import database
from publisher.plant import Plant
from tests.newsroom import Newsroom


def desired(folder: Path) -> dict[str, str]:
    """The body of every object of the site in a folder, built now."""
    with Plant(settings.load({"DATA_DIR": str(folder), "BUILD_WORKERS": "1"})) as parts:
        parts.builder().build()
        return {row.key: row.body for row in parts.ledger.desired()}


def test_a_site_moves(tmp_path: Path) -> None:
    home, file, new = tmp_path / "home", tmp_path / "site.rcr", tmp_path / "new"
    home.mkdir()
    room = Newsroom(home)
    room.staff()
    for number in range(5):
        room.post(f"Reseña {number}", product=room.products[number % 3])
    room.publish()
    room.close()
    run = CliRunner(env={"BACKUP_PASSPHRASE": "una frase larga de paso"}).invoke
    made = run(main, ["--data-dir", str(home), "archive", str(file), "--keys"])
    assert made.exit_code == 0, made.output
    proved = run(main, ["--data-dir", str(home), "archive", "verify", str(file), "--json"])
    assert json.loads(proved.stdout)["is_known"]
    came = run(main, ["archive", "restore", str(file), "--data-dir", str(new), "--json"])
    assert came.exit_code == 0, came.output
    assert not json.loads(came.stdout)["new_epoch"]
    again = run(main, ["archive", "restore", str(file), "--data-dir", str(new)])
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    for path in home.glob("ledger.db*"):
        path.unlink()
    assert desired(new) == desired(home)
    assert len(desired(new)) > 50
    db = database.connect(new / "content.db", readonly=True)
    assert db.conn.execute("SELECT count(*) FROM reviews").fetchone() == (5,)
