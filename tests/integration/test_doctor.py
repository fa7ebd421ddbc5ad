"""The doctor finds nothing where all is well, and each planted illness by its name, with advice."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import msgspec
import pytest

from benchmarks.edges import start_nginx
from publisher import doctor, keys, plant
from publisher.delivery import halts
from publisher.doctor import Finding
from publisher.plant import Plant
from publisher.settings import S3, Cdn, Data, Settings
from tests.integration.asking import as_new
from tests.newsroom import Newsroom
from tests.serving import serving


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def well(object_store: Settings, tmp_path: Path) -> Settings:
    """An installation in which all is well: a review is published."""
    edge = f"http://127.0.0.1:{object_store.stack.edge_port}"
    s3 = msgspec.structs.replace(object_store.s3, probe_url=edge)
    chosen = msgspec.structs.replace(object_store, data=Data(dir=str(tmp_path / "data")), s3=s3)
    room = Newsroom(tmp_path / "data")
    room.staff(count=1, cameras=1, lenses=1)
    room.post("Reseña", "Palabras.", product=room.products[0])
    room.close()
    keys.load(tmp_path / "data" / "keys", now())
    with Plant(chosen) as parts:
        plant.bucket(plant.regions(chosen)[0]).ensure_bucket()
        as_new(chosen)
        parts.builder().build()
        parts.pusher().run()
    return chosen


def found(chosen: Settings, clock: Callable[[], datetime] = now) -> dict[str, Finding]:
    """What is not well, by the first word of the check."""
    return {one.check.split()[0]: one for one in doctor.examine(chosen, clock) if one.state != "well"}


def test_nothing_is_found_where_all_is_well(well: Settings) -> None:
    findings = list(doctor.examine(well, now))
    assert [one.check.split()[0] for one in findings] == [
        "sqlite", "disk", "database", "keys", "outbox", "backup", "rights", "store", "edge",
    ]  # fmt: skip
    own = {"backup"} | ({"rights"} if os.geteuid() == 0 else set())
    assert {one.check for one in findings if one.state != "well"} == own, "no backup is kept here; a test may be root"


def test_a_backup_that_is_not_kept_or_cannot_be_reached_is_told_of(well: Settings) -> None:
    def with_backup(**changes: str) -> Finding:
        kept = msgspec.structs.replace(well.backup, **changes)
        return found(msgspec.structs.replace(well, backup=kept))["backup"]

    none = with_backup(bucket="")
    assert (none.state, "BACKUP_BUCKET" in none.advice) == ("look", True)
    here = {"endpoint": well.s3.endpoint, "access_key": well.s3.access_key, "secret_key": well.s3.secret_key}
    empty = with_backup(bucket=well.s3.bucket, prefix="nothing-is-here", **here)
    assert (empty.state, "none yet" in empty.found) == ("ill", True)
    away = with_backup(bucket="backup", **here | {"endpoint": "http://127.0.0.1:9"})
    assert (away.state, "BACKUP_" in away.advice) == ("ill", True)


def test_files_of_another_user_are_ill(well: Settings) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(well.data.dir, 10001, 10001)
    assert found(well)["rights"].state == "ill"
    assert "chown" in found(well)["rights"].advice
    for path in Path(well.data.dir).glob("*"):
        os.chown(path, 10001, 10001)
    assert "rights" not in found(well)


def test_keys_that_others_can_read_are_ill(well: Settings) -> None:
    (key,) = Path(well.data.dir, "keys").glob("*.pem")
    key.chmod(0o644)
    assert found(well)["keys"].state == "ill"
    assert "rotate" in found(well)["keys"].advice


def test_an_old_key_is_to_be_looked_at(well: Settings) -> None:
    later = lambda: now() + timedelta(days=400)  # noqa: E731
    assert found(well, later)["keys"].state == "look"


def test_a_disk_that_is_full_is_ill(well: Settings) -> None:
    data = msgspec.structs.replace(well.data, low_water=10**18)
    assert found(msgspec.structs.replace(well, data=data))["disk"].state == "ill"


def test_a_database_that_is_gone_or_torn_is_ill(well: Settings) -> None:
    path = well.data.content_db
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink(missing_ok=True)
    assert found(well)["database"].state == "ill"
    path.unlink()
    assert "publisher restore" in found(well)["database"].advice


def test_a_change_that_waits_and_a_halt_are_to_be_looked_at(well: Settings) -> None:
    with Plant(well) as parts:
        halts.halt(parts.ledger.connection, parts.regions()[0].name, now(), "a test")
    assert "halted by hand: " in next(one.found for one in doctor.examine(well, now) if one.check == "outbox")
    with Plant(well) as parts:
        halts.resume(parts.ledger.connection, parts.regions()[0].name)
        parts.ledger.invalidate([])
        parts.ledger.connection.execute("INSERT OR IGNORE INTO pending SELECT name, 'index.html' FROM targets")
    assert "1 objects to deliver" in found(well)["outbox"].found


def test_a_store_and_an_edge_that_are_away_are_ill(well: Settings) -> None:
    gone = msgspec.structs.replace(well.s3, endpoint="http://127.0.0.1:9", probe_url="http://127.0.0.1:9")
    ill = found(msgspec.structs.replace(well, s3=gone))
    assert (ill["store"].state, ill["edge"].state) == ("ill", "ill")
    assert "target check" in ill["store"].advice
    none = found(msgspec.structs.replace(well, s3=S3()))
    assert "S3_BUCKET" in none["targets"].advice


@pytest.fixture
def late_edge() -> Iterator[SimpleNamespace]:
    """An edge whose clock is ten minutes late."""

    class Late(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(now().timestamp() - 600)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late)) as server:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_address[1]}")


def test_a_clock_that_is_off_is_ill(well: Settings, late_edge: SimpleNamespace) -> None:
    s3 = msgspec.structs.replace(well.s3, probe_url=late_edge.url)
    off = re.match(r"(\d+) s", found(msgspec.structs.replace(well, s3=s3))["clock"].found)
    assert off is not None
    assert 590 <= int(off[1]) <= 610, "as far as the answer tells, which takes a moment"


def test_a_cdn_that_takes_no_purges_from_here_is_ill(well: Settings) -> None:
    def with_cdn(**said: str) -> Settings:
        return msgspec.structs.replace(well, cdn=msgspec.convert(said, Cdn))

    store = well.s3.endpoint.removeprefix("http://")
    with start_nginx(store, well.s3.bucket) as edge:
        assert "cdn" not in found(with_cdn(kind="nginx", edges=edge.url))
        (good,) = [one for one in doctor.examine(with_cdn(kind="nginx", edges=edge.url), now) if one.check[:3] == "cdn"]
        assert (good.state, good.found) == ("well", "1 edges take purges from here")
    gone = found(with_cdn(kind="nginx", edges=edge.url))["cdn"]
    assert (gone.state, "CDN_EDGES" in gone.advice) == ("ill", True)
    unset = found(with_cdn(kind="fastly"))["cdn"]
    assert (unset.state, "CDN" in unset.advice, "CDN_SITE" in unset.found) == ("ill", True, True)
    assert set(doctor.MAY_PURGE) == set(get_args(get_type_hints(Cdn)["kind"])) - {"none"}


def test_the_command_says_it_to_people_and_to_scripts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "publisher", "--data-dir", str(tmp_path), "doctor"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "publisher init" in said.stdout
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert {"check", "state", "found", "advice"} == set(json.loads(told.stdout)[0])
