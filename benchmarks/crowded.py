"""One publish into a bucket of many objects, in seconds and requests, beside tools that compare folder and bucket."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import counting, draining, newsroom, processes, results
from benchmarks.counting import Counting
from benchmarks.draining import AT, HTML
from benchmarks.results import Report, Result
from publisher import settings as configuration
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import StackError
from publisher.local import binary
from publisher.settings import Settings

NAME = "crowded-bucket"
OBJECTS, ROUNDS = 100_000, 3
QUICK_OBJECTS, QUICK_ROUNDS = 300, 1
CHANGED = 20
"""Objects that a publish of one review replaces, about as many as `publish-latency` counts."""
BYTES = 600
PEERS = "peers/"
OURS = "publisher"
_HUGO = 'baseURL = "https://reviews.example/"\n[deployment]\n[[deployment.targets]]\nname = "store"\nURL = "{url}"\n'


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """What one publish took, and what the store was asked."""

    seconds: float
    asked: dict[str, int]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A program that brings a folder to a bucket."""

    name: str
    argv: list[str]
    environ: dict[str, str]
    cwd: str = "."

    def __call__(self) -> None:
        """Run it once."""
        processes.watched(self.argv, environ=os.environ | self.environ, cwd=Path(self.cwd))


def run(folder: Path, quick: bool) -> Report:
    """Measure all, in turn."""
    count, rounds = (QUICK_OBJECTS, QUICK_ROUNDS) if quick else (OBJECTS, ROUNDS)
    chosen = configuration.load({"DATA_DIR": str(folder / "data"), "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0"})
    taken: dict[str, list[Publish]] = {}
    notes: list[str] = []
    with ExitStack() as running:
        stack = running.enter_context(newsroom.stack(chosen, parts=("s3",)))
        proxy = running.enter_context(counting.before(stack.settings.stack.s3_port, folder))
        site = Site(stack.settings, proxy, folder, count)
        running.callback(site.close)
        tools = site.tools(notes)
        for number in range(rounds):
            publishes: dict[str, Callable[[], None]] = {OURS: site.publish} | {tool.name: tool for tool in tools}
            for name in list(publishes) if number % 2 == 0 else reversed(publishes):
                site.change(f"{name} {number}", in_folder=name != OURS)
                proxy.since()
                try:
                    seconds = _timed(publishes[name])
                except RuntimeError as error:
                    notes.append(f"{name} failed and is not measured: {str(error)[-200:]}")
                    tools = [tool for tool in tools if tool.name != name]
                    continue
                asked = proxy.since()
                if asked["PUT"] < CHANGED:
                    notes.append(f"{name} put {asked['PUT']} of {CHANGED} objects in round {number + 1}")
                taken.setdefault(name, []).append(Publish(seconds=seconds, asked=dict(asked)))
    return Report(
        benchmark=NAME,
        title="One publish into a bucket of many objects",
        about=f"{count:,} objects of {BYTES} bytes are in a bucket of SeaweedFS, and in a folder for the tools; "
        f"{CHANGED} of them change, and are brought to the bucket. Requests are counted by a proxy before the store. "
        "The publisher knows from its ledger what changed; building is not part of this, nor is Hugo's.",
        results=_results(taken),
        notes=notes,
    )


def _timed(publish: Callable[[], None]) -> float:
    began = time.perf_counter()
    publish()
    return time.perf_counter() - began


class Site:
    """The same objects in a ledger, in a folder and, twice, in the bucket."""

    def __init__(self, held: Settings, proxy: Counting, folder: Path, count: int) -> None:
        self._held, self._proxy, self._folder = held, proxy, folder
        self._objects, self._ledger = Objects(folder / "build"), Ledger(folder / "ledger.db")
        generator = random.Random(7)
        self._bodies = {
            f"p/{number // 1000:03}/{number:06}.html": generator.randbytes(BYTES) for number in range(count)
        }
        self._public = folder / "public"
        for key, body in self._bodies.items():
            path = self._public / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        direct = draining.target(held, held.s3.endpoint, PEERS)
        with ThreadPoolExecutor(16) as pool:
            for _ in pool.map(lambda item: direct.put(item[0], item[1], *HTML), self._bodies.items()):
                pass
        where = draining.target(held, proxy.endpoint, "ours/")
        lease = Lease(where, "benchmark", lambda: uuid.uuid4().hex, seconds=600)
        self._pusher = Pusher(self._ledger, self._objects, where, concurrency=16, lease=lease)
        self._seq, self._pending = 0, dict[str, bytes]()
        self._record(self._bodies)
        self._pusher.run()

    def close(self) -> None:
        """Close what is open."""
        self._pusher.close()
        self._ledger.close()
        self._objects.close()

    def change(self, words: str, *, in_folder: bool) -> None:
        """Change some objects, in the folder or for `publish`."""
        generator = random.Random(words)
        changed = {key: generator.randbytes(BYTES + 1 + generator.randrange(99)) for key in generator.sample(
            sorted(self._bodies), CHANGED
        )}  # fmt: skip
        if not in_folder:
            self._pending = changed
            return
        for key, body in changed.items():
            (self._public / key).write_bytes(body)

    def publish(self) -> None:
        """Bring what changed to the bucket, as the publisher does."""
        self._record(self._pending)
        self._pusher.run()

    def _record(self, bodies: dict[str, bytes]) -> None:
        self._seq += 1
        rows = [Desired(key, "", self._objects.put(body), *HTML, 1) for key, body in bodies.items()]
        self._objects.flush()
        self._ledger.record(rows, (), seq=self._seq, content_version=self._seq, edition="e", at=AT)

    def tools(self, notes: list[str]) -> list[Tool]:
        """The tools that are here; the others are noted."""
        s3, public = self._held.s3, str(self._public)
        keys = {
            "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key, "AWS_REGION": s3.region,
            "AWS_DEFAULT_REGION": s3.region, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }  # fmt: skip
        there, endpoint = f"s3://{s3.bucket}/{PEERS}", self._proxy.endpoint
        rclone = {
            "RCLONE_CONFIG": os.devnull, "RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG_STORE_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_STORE_ENDPOINT": endpoint, "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_REGION": s3.region,
        }  # fmt: skip
        hugo = self._hugo(f"{s3.bucket}?prefix={PEERS}&endpoint={endpoint}&use_path_style=true&region={s3.region}")
        wanted = {
            "rclone sync --checksum": ("rclone", ["sync", "--checksum", "--fast-list", "--transfers", "16", public,
                                                  f"store:{s3.bucket}/{PEERS}"]),
            "s5cmd sync": ("s5cmd", ["--endpoint-url", endpoint, "sync", f"{public}/", there]),
            "aws s3 sync": ("aws", ["--endpoint-url", endpoint, "s3", "sync", "--only-show-errors", public, there]),
            "hugo deploy": ("hugo", ["deploy", "--maxDeletes", "-1", "--source", str(hugo)]),
        }  # fmt: skip
        found = []
        for name, (program, words) in wanted.items():
            try:
                argv = [binary(program), *words]
            except StackError:
                notes.append(f"{name}: the program {program} is not here")
                continue
            found.append(Tool(name=name, argv=argv, environ=keys | rclone))
        return found

    def _hugo(self, url: str) -> Path:
        """A site of Hugo's whose public folder is ours."""
        source = self._folder / "hugo"
        source.mkdir()
        (source / "hugo.toml").write_text(_HUGO.format(url=f"s3://{url}"), encoding="utf-8")
        (source / "public").symlink_to(self._public)
        return source


def _results(taken: dict[str, list[Publish]]) -> list[Result]:
    found = []
    ours = [publish.seconds * 1e3 for publish in taken[OURS]]
    total = [float(sum(publish.asked.values())) for publish in taken[OURS]]
    for name, publishes in taken.items():
        against = None if name == OURS else (OURS, ours)
        spent = [publish.seconds * 1e3 for publish in publishes]
        found.append(results.result(NAME, name, "publish", "ms", spent, against=against))
        asked = [float(sum(publish.asked.values())) for publish in publishes]
        fewer = None if name == OURS else (OURS, total)
        found.append(results.result(NAME, name, "requests", "requests", asked, against=fewer))
        lists = [float(Counter(publish.asked)["LIST"]) for publish in publishes]
        found.append(results.result(NAME, name, "of them LIST", "requests", lists, aim="0" if name == OURS else None))
    return found
