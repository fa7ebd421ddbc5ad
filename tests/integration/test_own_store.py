"""The units of `deploy/seaweedfs/`, started as they are: a site on a store of two racks outlives the loss of either."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import boto3
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from publisher import settings
from publisher.plant import Plant
from publisher.ports import is_free, kept_or_new
from tests.integration.asking import until
from tests.newsroom import Newsroom

UNITS = Path(__file__).parents[2] / "deploy" / "seaweedfs"
WEED = Path(sys.prefix, "bin", "weed")
PARTS = {"master": "master", "one": "volume", "two": "volume", "filer": "filer", "s3": "s3"}
"""What is started, and by which unit."""
SECRET = "a-secret-of-some-length"


class Cluster:
    """The store's parts as processes on the loopback, each at a port of its own instead of a machine of its own."""

    def __init__(self, home: Path, open_: ExitStack) -> None:
        self._home, self._open, self._ports, self.running = home, open_, dict[str, int](), {}
        for name in (*PARTS, *(f"{name}.grpc" for name in PARTS)):
            self._ports[name] = kept_or_new(0, is_free, self._ports.values())
        identities = (UNITS / "identities.json").read_text(encoding="utf-8")
        (home / "identities.json").write_text(
            identities.replace('"S3_SECRET_KEY"', json.dumps(SECRET)), encoding="utf-8"
        )

    running: dict[str, subprocess.Popen[bytes]]

    @property
    def endpoint(self) -> str:
        """Where S3 is spoken."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    def start(self, name: str) -> None:
        """Start a part by the command of its unit."""
        (home := self._home / name).mkdir(exist_ok=True)
        own = [f"-port={self._ports[name]}", f"-port.grpc={self._ports[f'{name}.grpc']}"]
        log = self._open.enter_context((self._home / f"{name}.log").open("ab"))
        self.running[name] = subprocess.Popen(
            [*self._command(name, home), *own], stdout=log, stderr=log,
            env={"HOME": str(home), "WEED_JWT_SIGNING_KEY": SECRET},
        )  # fmt: skip
        self._open.callback(self.lose, name)

    def lose(self, name: str) -> None:
        """Have a part die at once."""
        self.running[name].kill()
        self.running[name].wait(60)

    def _command(self, name: str, home: Path) -> list[str]:
        text = (UNITS / f"{PARTS[name]}.service").read_text(encoding="utf-8")
        (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
        at = {part: f"127.0.0.1:{self._ports[part]}.{self._ports[f'{part}.grpc']}" for part in PARTS}
        known = {"ADDRESS": "127.0.0.1", "RACK": name, "MASTERS": at["master"], "FILER": at["filer"]}
        line = re.sub(r"\$\{(\w+)\}", lambda variable: known[variable[1]], line)
        folders = {"/usr/local/bin/weed": WEED, f"/var/lib/seaweedfs/{PARTS[name]}": home, "/etc/seaweedfs": self._home}
        for shipped, here in folders.items():
            line = line.replace(shipped, str(here))
        return line.split()


class Published(msgspec.Struct, frozen=True):
    """A cluster that holds a site, and what every key should be."""

    cluster: Cluster
    read: Callable[[str], bytes]
    desired: dict[str, bytes]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Three reviews, published to the cluster with the settings of `deploy/seaweedfs/`, but for the address."""
    folder = tmp_path_factory.mktemp("own")
    with ExitStack() as open_:
        cluster = Cluster(folder, open_)
        for name in PARTS:
            cluster.start(name)
        config = Config(request_checksum_calculation="when_required", retries={"max_attempts": 1}, read_timeout=5)
        client = boto3.client(
            "s3", endpoint_url=cluster.endpoint, region_name="us-east-1", config=config,
            aws_access_key_id="S3_ACCESS_KEY", aws_secret_access_key=SECRET,
        )  # fmt: skip
        until(lambda: _stores(client), f"the store takes objects; see {folder}", 120)
        environ = {
            "DATA_DIR": str(folder / "data"), "S3_ENDPOINT": cluster.endpoint, "S3_ACCESS_KEY": "S3_ACCESS_KEY",
            "S3_SECRET_KEY": SECRET, "S3_PROBE_URL": "",
        }  # fmt: skip
        chosen = settings.load(environ, UNITS / "settings.toml")
        (folder / "data").mkdir()
        room = Newsroom(folder / "data")
        room.staff(count=1, cameras=2, lenses=1)
        for number in range(3):
            room.post(f"Reseña {number}", "Una **gran** cámara.", product=room.products[number % 2])
        room.close()
        with Plant(chosen) as plant:
            plant.builder().build()
            plant.pusher().run()
            desired = {row.key: plant.objects.get(row.body) for row in plant.ledger.desired()}
            bucket = plant.settings.s3.bucket
        yield Published(cluster, lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read(), desired)


def _stores(client: object) -> bool:
    with suppress(BotoCoreError, ClientError):
        client.create_bucket(Bucket="content")  # type: ignore[attr-defined]
    try:
        client.put_object(Bucket="content", Key=".publisher/first", Body=b"x")  # type: ignore[attr-defined]
    except (BotoCoreError, ClientError):
        return False
    return True


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rack", ["one", "two"])
def test_every_object_is_read_when_either_rack_is_lost(site: Published, rack: str) -> None:
    site.cluster.lose(rack)
    try:
        until(lambda: _all_read(site), f"every object is read without rack {rack}", 60)
    finally:
        site.cluster.start(rack)
    until(lambda: _all_read(site), "every object is read again", 60)


def _all_read(site: Published) -> bool:
    with suppress(BotoCoreError, ClientError):
        return {key: site.read(key) for key in site.desired} == site.desired
    return False
