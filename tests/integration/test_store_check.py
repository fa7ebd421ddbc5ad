"""What a store must do is tried: SeaweedFS does it, rclone's S3 ignores conditions, and each fault is found."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.processes import end
from publisher import settings
from publisher.delivery import store_check
from publisher.delivery.cdn import address, tag
from publisher.delivery.fitness import Fitness
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.delivery.s3 import S3
from publisher.delivery.store_check import Checked
from publisher.errors import TargetError
from publisher.ports import is_free, kept_or_new
from publisher.settings import Settings
from tests.newsroom import Memory


def seaweed(object_store: Settings) -> S3:
    s3 = object_store.s3
    return S3(s3.bucket, endpoint=s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, name="seaweed")


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """`rclone serve s3`, which answers 200 to a PUT whose If-Match does not match."""
    folder, port = tmp_path_factory.mktemp("liar"), kept_or_new(0, is_free, ())
    (folder / "content").mkdir()
    program = [shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "rclone"]
    program += ["serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret-key", "-q"]
    process = subprocess.Popen(program, env=os.environ | {"RCLONE_CONFIG": os.devnull})
    try:
        until = time.monotonic() + 30
        while is_free(port):
            assert process.poll() is None
            assert time.monotonic() < until, "rclone does not listen"
            time.sleep(0.05)
        yield S3("content", endpoint=f"http://127.0.0.1:{port}", access_key="key", secret_key="secret-key", name="liar")
    finally:
        end(process)


def missing(checked: Checked) -> set[str]:
    return {one.name for one in checked.findings if not one.ok}


def test_the_embedded_store_is_fit_and_left_as_it_was(object_store: Settings) -> None:
    store = seaweed(object_store)
    checked = store_check.check(store, "one")
    assert (checked.verdict, checked.why) == ("fit", "")
    assert missing(checked) <= {"key beside folder", "unusual keys"}
    assert "median" in checked.findings[-1].detail
    assert store.below(".publisher/check-") == []


def test_a_store_that_ignores_conditions_is_recognised(liar: S3) -> None:
    checked = store_check.check(liar, "one")
    assert missing(checked) >= {"create only", "if match", "one winner", "metadata"}
    assert checked.verdict == "single-writer"
    assert "answered as if it matched" in checked.why
    assert "lock of the data directory" in checked.why
    refused = store_check.check(liar, "two", must_fence=True)
    assert refused.verdict == "unfit"
    assert "`unconditional`" in refused.why


class Faulty(Memory):
    """A store in memory with a fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.before, self.said = fault, dict[str, bytes](), dict[str, tuple[str, str]]()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        self.before[key] = self.bodies.get(key, b"")
        if self.fault == "unusual keys" and not key.isascii():
            return ""
        if self.fault == "key beside folder" and key.endswith("content/reviews/a.json"):
            self.bodies.pop(key.removesuffix("/reviews/a.json"), None)
        self.said[key] = (content_type, cache_control)
        return super().put(key, body, content_type, cache_control)

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        found = self.look(key)
        lies = {"create only": tag is None, "if match": tag is not None, "one winner": "one-winner" in key}
        if lies.get(self.fault):
            tag = found.tag if found else None
        return super().swap(key, body, content_type, cache_control, tag=tag, note=note)

    def get(self, key: str) -> bytes | None:
        return self.before.get(key) if self.fault == "read after write" else super().get(key)

    def delete(self, keys: object) -> None:
        if self.fault != "delete":
            super().delete(list(keys))  # type: ignore[call-overload]

    def headers_of(self, key: str) -> dict[str, str]:
        said = dict(zip(("Content-Type", "Cache-Control"), self.said[key], strict=True))
        if self.fault in ("headers", "metadata"):
            return said if self.fault == "metadata" else {}
        return said | {"publisher": self.notes.get(key, ""), "cache-tag": tag(address(key))}

    def takes_damage(self, key: str) -> bool:
        return self.fault == "checksum"

    def below(self, beginning: str) -> list[str]:
        return [key for key in self.bodies if key.startswith(beginning) and self.fault != "listing"]


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("", "fit"),
        ("read after write", "unfit"),
        ("delete", "unfit"),
        ("listing", "unfit"),
        ("headers", "unfit"),
        ("metadata", "single-writer"),
        ("create only", "single-writer"),
        ("if match", "single-writer"),
        ("one winner", "single-writer"),
        ("checksum", "fit"),
        ("key beside folder", "fit"),
        ("unusual keys", "fit"),
    ],
)
def test_every_fault_is_found(fault: str, verdict: str) -> None:
    checked = store_check.check(Faulty(fault), "one")
    assert fault in missing(checked) if fault else missing(checked) == set()
    assert checked.verdict == verdict


def test_the_command_says_it_for_people_and_for_programs(object_store: Settings, liar: S3, tmp_path: Path) -> None:
    values = settings.environment(Settings(s3=object_store.s3)) | {"DATA_DIR": str(tmp_path)}
    asking = [sys.executable, "-m", "publisher", "target", "check"]

    def run(*words: str, answer: int = 0, **environ: str) -> str:
        done = subprocess.run(
            [*asking, *words], env=os.environ | values | environ, capture_output=True, text=True, timeout=240,
            check=False,
        )  # fmt: skip
        assert done.returncode == answer, done.stdout + done.stderr
        return done.stdout

    assert "content@local: fit" in run()
    (told,) = json.loads(run("--json"))
    assert (told["verdict"], len(told["findings"])) == ("fit", 12)
    away = run("--json", answer=1, S3_ENDPOINT="http://127.0.0.1:9")
    assert json.loads(away)[0]["verdict"] == "unfit"
    assert "unfit" in run(answer=1, S3_SECRET_KEY="wrong")


def shop(folder: Path, store: S3 | Memory, *, must_fence: bool = False) -> tuple[Ledger, Pusher]:
    """A ledger with a page, and who publishes it to `store` as the worker does."""
    ledger, objects, marks = Ledger(folder / "ledger.db"), Objects(folder), itertools.count()
    digest = objects.put(b"page")
    objects.flush()
    ledger.record(
        [Desired("page", "c", digest, *store_check.HTML, 1)], (), seq=1, content_version=1, edition="e",
        at=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    mark: Callable[[], str] = lambda: f"{folder.name}-{next(marks)}"  # noqa: E731
    lease = Lease(cast(Any, store), "a", mark)
    fitness = Fitness(store, "here", mark, must_fence=must_fence)
    return ledger, Pusher(ledger, objects, store, lease=lease, fitness=fitness)


def checks_of(store: Memory) -> int:
    return sum(key.endswith("/first") for key in store.puts)


def test_a_store_is_tried_once_before_it_is_published_to(tmp_path: Path) -> None:
    store = Faulty("none")
    ledger, pusher = shop(tmp_path, store)
    assert pusher.run().puts == 1
    pusher.close()
    assert checks_of(store) == 1
    ledger.register("memory", "elsewhere")
    again = shop(tmp_path, store)[1]
    again.run()
    assert checks_of(store) == 1, "it is remembered"
    again.close()


def test_an_unfit_store_is_not_published_to_and_tried_again(tmp_path: Path) -> None:
    store = Faulty("read after write")
    _, pusher = shop(tmp_path, store)
    for _ in range(2):
        with pytest.raises(TargetError, match="not fit to be published to: read after write") as caught:
            pusher.run()
        assert caught.value.reason == "unfit"
        assert store.get("page") is None
    store.fault = "none"
    assert pusher.run().puts == 1
    pusher.close()


def test_a_store_that_lets_two_win_has_a_single_writer_or_is_refused(tmp_path: Path) -> None:
    store = Faulty("one winner")
    _, pusher = shop(tmp_path, store)
    assert pusher.run().puts == 1
    pusher.close()
    _, strict = shop(tmp_path / "strict", Faulty("one winner"), must_fence=True)
    with pytest.raises(TargetError, match="`unconditional`"):
        strict.run()
    strict.close()


def test_a_store_that_ignores_conditions_is_published_to_by_one(liar: S3, tmp_path: Path) -> None:
    ledger, pusher = shop(tmp_path, liar)
    assert pusher.run().puts == 1
    assert liar.get("page") == b"page"
    assert '"single-writer"' in str(
        ledger.connection.execute("SELECT value FROM facts WHERE name = 'fitness liar'").fetchall()
    )
    pusher.close()
