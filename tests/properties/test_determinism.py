"""The same content gives the same bytes under any hash seed, time zone, locale and number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.newsroom import Newsroom

ROOT = Path(__file__).parents[2]
SCRIPT = """
import hashlib, sys, tempfile
from pathlib import Path
from publisher import builder, looking
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.signing import Signing
from publisher.site.pages import Site

if __name__ == "__main__":
    looking.ALONE = 0
    site = Site(title="RandomCameraReviews", language="es", url="https://reviews.example")
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(":memory:")
        signer = Signing(Path(sys.argv[1]).parent / "keys")
        built = builder.Builder(
            sys.argv[1], ledger, Objects(folder), site, build_dir=folder, workers=int(sys.argv[2]), signer=signer
        )
        built.build()
        rows = [repr((r.key, r.body, r.context, r.content_type, r.cache_control, r.tier)) for r in ledger.desired()]
        print(len(rows), hashlib.sha256("".join(rows).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def content_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content database with enough on it for several pages of each listing."""
    folder = tmp_path_factory.mktemp("content")
    room = Newsroom(folder)
    room.staff()
    for number in range(45):
        tags = ("a", "b", f"c{number % 3}")
        room.post(f"Reseña {number}", "Él dijo: *sí* ☑", product=room.products[number % 5], tags=tags)
    room.close()
    return folder / "content.db"


def outcome(content_db: Path, workers: int, script: Path, **environ: str) -> str:
    """Number and digest of all artifacts, as built by a process of its own."""
    run = subprocess.run(
        [sys.executable, str(script), str(content_db), str(workers)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    ("workers", "environ"),
    [
        (1, {"PYTHONHASHSEED": "4242"}),
        (1, {"TZ": "America/Sao_Paulo"}),
        (1, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}),
        (1, {"LC_ALL": "C", "LANG": "C"}),
        (1, {"LC_ALL": "pt_BR.UTF-8", "LANGUAGE": "pt_BR"}),
        (2, {"PYTHONHASHSEED": "random"}),
        (3, {}),
    ],
)
def test_bytes_do_not_depend_on_where_they_are_made(
    content_db: Path, tmp_path: Path, workers: int, environ: dict[str, str]
) -> None:
    script = tmp_path / "build_once.py"
    script.write_text(SCRIPT)
    expected = outcome(content_db, 1, script, PYTHONHASHSEED="0", TZ="UTC")
    assert int(expected.split()[0]) > 120
    assert outcome(content_db, workers, script, **environ) == expected


def test_the_digest_sees_a_difference(content_db: Path, tmp_path: Path) -> None:
    """The comparison above can fail: another language gives another digest."""
    script = tmp_path / "build_once.py"
    script.write_text(SCRIPT)
    expected = outcome(content_db, 1, script)
    script.write_text(SCRIPT.replace('language="es"', 'language="pt"'))
    assert outcome(content_db, 1, script) != expected
