"""What a store must do is tried: SeaweedFS does it, rclone's S3 ignores conditions, and each fault is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher import settings
from publisher.delivery import store_check
from publisher.delivery.cdn import address, tag
from publisher.delivery.s3 import S3
from publisher.delivery.store_check import Checked
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
        process.terminate()
        process.wait(10)


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
    assert fault in {*missing(checked), ""}
    assert checked.verdict == verdict


def test_the_command_says_it_for_people_and_for_programs(object_store: Settings, liar: S3, tmp_path: Path) -> None:
    values = settings.environment(Settings(s3=object_store.s3)) | {"DATA_DIR": str(tmp_path)}
    asking = [sys.executable, "-m", "publisher", "target", "check"]

    def run(*words: str, answer: int = 0, **environ: str) -> str:
        done = subprocess.run(
            [*asking, *words], env=os.environ | values | environ, capture_output=True, text=True, timeout=120,
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
