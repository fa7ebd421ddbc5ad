"""Going back and forward on the real store, by the commands, with and without a worker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from publisher.settings import S3, Data, Settings
from tests.integration.test_cli import POST, Shell

KEY = "reviews/la-luz/index.html"


class Bucket:
    """A bucket of its own on the real store, as anybody sees it."""

    def __init__(self, held: S3, name: str) -> None:
        self.settings = S3(
            endpoint=held.endpoint, bucket=name, access_key=held.access_key, secret_key=held.secret_key
        )  # fmt: skip
        self._client = boto3.client(
            "s3", endpoint_url=held.endpoint, aws_access_key_id=held.access_key,
            aws_secret_access_key=held.secret_key, region_name="us-east-1",
        )  # fmt: skip
        self._client.create_bucket(Bucket=name)

    def holds(self) -> dict[str, tuple[bytes, str]]:
        """Of each key the body and its Cache-Control."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        found = ((key, self._client.get_object(Bucket=self.settings.bucket, Key=key)) for key in keys)
        return {key: (one["Body"].read(), one.get("CacheControl", "")) for key, one in found}

    def pages(self) -> dict[str, tuple[bytes, str]]:
        """The same without what belongs to bundles, the search index and the lease, and without what lasts."""
        others = ("content/sync/", "content/search/", "assets/", ".publisher/")
        return {key: held for key, held in self.holds().items() if not key.startswith(others)}

    def put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self.settings.bucket, Key=key)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def bucket(object_store: Settings, tmp_path: Path) -> Iterator[Bucket]:
    """An empty bucket for this test."""
    fresh = Bucket(object_store.s3, f"test-{abs(hash(tmp_path)):x}")
    yield fresh
    fresh.close()


@pytest.fixture
def shell(bucket: Bucket, object_store: Settings, tmp_path: Path) -> Shell:
    """A command line that publishes to that bucket, with an account."""
    chosen = Shell(Settings(site=object_store.site, s3=bucket.settings, data=Data()), tmp_path)
    chosen(
        "editor", "add", "ana@example.com", "--name", "Ana", "--role", "administrator", "--password", "una clave larga"
    )
    return chosen


def write(shell: Shell, **words: str) -> None:
    """Say these posts, by their names."""
    for name, text in words.items():
        (shell.folder / f"{name}.md").write_text(
            POST.replace("La luz", name).replace("Una reseña", text), encoding="utf-8"
        )
        shell("import", f"{name}.md")


def published(shell: Shell, bucket: Bucket) -> dict[str, tuple[bytes, str]]:
    shell("publish")
    return bucket.pages()


def test_pages_go_back_and_forward(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero")
    first = published(shell, bucket)
    write(shell, uno="segundo", dos="nuevo")
    second = published(shell, bucket)
    assert first != second
    dry = shell("rollback", "--dry-run")
    assert "delete  gone     reviews/dos/index.html" in dry
    assert "put     body     reviews/uno/index.html" in dry
    assert bucket.pages() == second, "a dry run does nothing"
    heads = bucket.holds()["content/sync/head.json"]
    assert "`publisher rollback --end`" in shell("rollback")
    assert bucket.pages() == first
    assert bucket.holds()["content/sync/head.json"] == heads, "bundles never go back"
    assert "rolled back to release 1" in shell("status")
    write(shell, tres="mientras tanto")
    said = shell("publish")
    assert "rolled back to release 1" in said
    assert bucket.pages() == first, "what is written meanwhile waits"
    third = json.loads(bucket.holds()["content/sync/head.json"][0])
    assert third["version"] > json.loads(heads[0])["version"], "and apps get it"
    shell("rollback", "--end")
    assert {"reviews/dos/index.html", "reviews/tres/index.html"} <= bucket.pages().keys()
    assert b"segundo" in bucket.pages()["reviews/uno/index.html"][0]
    assert "show the newest release" in shell("rollback", "--end", answer=1)
    assert "nothing to push" in shell("push")


def test_reviews_go_back_as_new_versions(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero")
    shell("publish")
    write(shell, uno="segundo", dos="nuevo")
    shell("publish")
    before = json.loads(bucket.holds()["content/sync/head.json"][0])
    said = json.loads(shell("rollback", "1", "--content", "--json"))
    assert (said["rollback"], said["reviews_restored"]) == (None, 2)
    held = bucket.pages()
    assert "primero" in held["reviews/uno/index.html"][0].decode()
    assert "reviews/dos/index.html" not in held
    after = json.loads(bucket.holds()["content/sync/head.json"][0])
    assert after["version"] > before["version"]
    assert (after["epoch"], after["reviews"]) == (before["epoch"], 1)
    again = json.loads(shell("rollback", "1", "--content", "--json"))
    assert again["reviews_restored"] == 0, "done twice, it is done once"
    assert "as they were written" in shell("audit", "verify")


def test_releases_are_listed_and_compared(shell: Shell) -> None:
    assert "no release yet" in shell("releases")
    assert "none yet" in shell("rollback", "7", answer=1)
    write(shell, uno="primero")
    shell("build")
    write(shell, uno="segundo", dos="nuevo")
    shell("build")
    listed = json.loads(shell("releases", "--json"))["releases"]
    assert [(one["release"]["number"], one["is_shown"]) for one in listed] == [(2, True), (1, False)]
    assert all("Ana" in one["by"] for one in listed)
    lines = shell("releases", "diff", "1", "2", answer=3).splitlines()
    assert "new      reviews/dos/index.html" in lines
    assert "body     reviews/uno/index.html" in lines
    assert "gone     reviews/dos/index.html" in shell("releases", "diff", "2", "1", answer=3)
    text = shell("releases", "diff", "1", "2", "--content", answer=3)
    assert any(line.startswith("-") and "primero" in line for line in text.splitlines())
    assert any(line.startswith("+") and "segundo" in line for line in text.splitlines())
    told = json.loads(shell("releases", "diff", "1", "2", "--json", answer=3))
    assert {one["key"]: one["change"] for one in told}["reviews/dos/index.html"] == "new"
    assert shell("releases", "diff", "2", "2") == ""
    assert "those from 1 to 2 are" in shell("releases", "diff", "1", "9", answer=1)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.05)


def test_a_worker_stands_aside_for_a_rollback_and_goes_on(shell: Shell, bucket: Bucket) -> None:
    write(shell, uno="primero")
    first = published(shell, bucket)
    worker = subprocess.Popen(
        [sys.executable, "-m", "publisher", "worker"], cwd=shell.folder, env=shell.environ, stderr=subprocess.DEVNULL
    )
    try:
        write(shell, uno="segundo")
        until(lambda: b"segundo" in bucket.pages()["reviews/uno/index.html"][0])
        shell("rollback", "1")
        assert bucket.pages() == first
        write(shell, dos="mientras tanto")
        until(lambda: json.loads(shell("status", "--json"))["changes_to_build"] == 0)
        assert bucket.pages() == first
        shell("rollback", "--end")
        until(lambda: "reviews/dos/index.html" in bucket.pages())
        assert b"segundo" in bucket.pages()["reviews/uno/index.html"][0]
        assert worker.poll() is None
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
