"""`publisher cost` weighs what was built, and says what to do when nothing was."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

from publisher import settings
from publisher.plant import Plant
from tests.newsroom import Newsroom


def cost(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "publisher", "--data-dir", str(folder), "cost", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_bill_is_of_the_real_bytes(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.staff(count=1, cameras=2, lenses=1)
    for number in range(3):
        room.post(f"Reseña {number}", "Una **gran** cámara. " * 50, product=room.products[0])
    room.close()
    nothing = cost(tmp_path)
    assert (nothing.returncode, "publisher build" in nothing.stderr) == (1, True)
    with Plant(settings.load({"DATA_DIR": str(tmp_path)})) as plant:
        plant.builder().build()
        rows = {row.key: plant.objects.get(row.body) for row in plant.ledger.desired()}
    said = cost(tmp_path, "--json", "--what-if", "visits=1000000")
    assert (said.returncode, said.stderr) == (0, "")
    costs = json.loads(said.stdout)
    assert costs["site"]["pages"]["home"] == len(zlib.compress(rows["index.html"], 5))
    assert costs["traffic"]["visits"] == 1_000_000
    assert {"name", "usd_per_month"} <= set(costs["providers"][0])
    table = cost(tmp_path)
    assert table.returncode == 0
    assert "cloudflare-r2" in table.stdout
    assert "above 65 USD" in table.stderr
    assert "written down without a copy of the price list: " in table.stdout
    assert "aws-cloudfront: requests, host" in table.stdout
    wrong = cost(tmp_path, "--what-if", "visits=lots")
    assert (wrong.returncode, "visits" in wrong.stderr) == (2, True)
