"""One contract for every target: a bucket on SeaweedFS, a folder, and the fake in memory that other tests rely on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from publisher import settings
from publisher.delivery.cdn import tag
from publisher.delivery.s3 import S3
from publisher.delivery.targets import Folder, Target
from publisher.errors import SettingsError, TargetError
from publisher.settings import Settings
from tests.newsroom import Memory

AT_ONCE = 2 * settings.S3().concurrency
HTML = ("text/html; charset=utf-8", "public, max-age=30")


@pytest.fixture(params=["s3", "s3 below a prefix", "folder", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Each kind of target, empty of the keys that these tests use."""
    if request.param == "folder":
        yield Folder(tmp_path / "site")
    elif request.param == "memory":
        yield Memory()
    else:
        prefix = "" if request.param == "s3" else "site/of ours/"
        bucket = s3(request.getfixturevalue("object_store"), prefix=prefix)
        yield bucket
        bucket.delete([key for key in list(bucket.keys()) if key.startswith("contract/")])


def s3(settings: Settings, **changes: str) -> S3:
    at = settings.s3
    said: dict[str, Any] = {
        "endpoint": at.endpoint,
        "access_key": at.access_key,
        "secret_key": at.secret_key,
        "bucket": at.bucket,
    }
    return S3(**said | changes)


def test_what_was_put_is_read_back(target: Target) -> None:
    target.put("contract/a/index.html", b"<p>uno</p>", *HTML)
    assert target.get("contract/a/index.html") == b"<p>uno</p>"


def test_a_second_put_replaces_the_first(target: Target) -> None:
    target.put("contract/a", b"uno", *HTML)
    target.put("contract/a", b"dos", *HTML)
    assert target.get("contract/a") == b"dos"


def test_an_empty_body_is_a_body(target: Target) -> None:
    target.put("contract/empty", b"", *HTML)
    assert target.get("contract/empty") == b""


def test_a_missing_key_is_none(target: Target) -> None:
    assert target.get("contract/never") is None


def test_deleted_keys_are_gone_and_deleting_again_is_no_error(target: Target) -> None:
    keys = [f"contract/{number}/index.html" for number in range(5)]
    for key in keys:
        target.put(key, b"x", *HTML)
    target.delete(keys[:3])
    target.delete(keys[:3])
    assert [target.get(key) for key in keys] == [None, None, None, b"x", b"x"]


def test_more_keys_than_one_call_takes_are_deleted(target: Target) -> None:
    target.put("contract/z", b"x", *HTML)
    target.delete([f"contract/none-{number}" for number in range(1500)] + ["contract/z"])
    assert target.get("contract/z") is None


def test_every_key_is_listed(target: Target) -> None:
    keys = {"contract/b/index.html", "contract/b.json", "contract/ñandú/index.html"}
    for key in keys:
        target.put(key, b"x", *HTML)
    assert {key for key in list(target.keys()) if key.startswith("contract/")} == keys


def test_what_is_listed_has_its_size_and_what_is_read_its_headers(target: Target) -> None:
    target.put("contract/size", "ñandú".encode(), *HTML)
    assert dict(target.listed())["contract/size"] == 7
    read = target.read("contract/size")
    assert read is not None
    assert read.body == "ñandú".encode()
    assert read.headers == (None if isinstance(target, Folder) else HTML)
    assert target.read("contract/never") is None


def test_headers_arrive_with_the_object(object_store: Settings) -> None:
    bucket = s3(object_store)
    bucket.put("contract/h.html", b"<p>", *HTML)
    answer = httpx.get(f"{object_store.s3.endpoint}/{object_store.s3.bucket}/contract/h.html", timeout=60)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == HTML
    assert answer.headers["x-amz-meta-cache-tag"] == tag("/contract/h.html")
    bucket.delete(["contract/h.html"])


def test_connections_are_kept_for_as_many_as_ask_at_once(
    object_store: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = s3(object_store)
    bucket.put("contract/often", b"x", *HTML)
    together = threading.Barrier(AT_ONCE)

    def look(_: int) -> bool:
        together.wait(30)
        return bucket.look("contract/often", with_body=False) is not None

    with ThreadPoolExecutor(AT_ONCE) as pool, caplog.at_level("WARNING", "urllib3"):
        assert all(pool.map(look, range(4 * AT_ONCE)))
    bucket.delete(["contract/often"])
    assert [record.getMessage() for record in caplog.records] == []


def test_a_prefix_keeps_to_itself(object_store: Settings) -> None:
    whole, inner = s3(object_store), s3(object_store, prefix="contract/inner/")
    whole.put("contract/a", b"outside", *HTML)
    inner.put("a", b"inside", *HTML)
    assert list(inner.keys()) == ["a"]
    assert whole.get("contract/inner/a") == b"inside"
    inner.delete(["a", "contract/a"])
    assert (whole.get("contract/a"), whole.get("contract/inner/a")) == (b"outside", None)
    whole.delete(["contract/a"])


def test_missing_credentials_are_named(object_store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(SettingsError, match="no credentials"):
        s3(object_store, access_key="", secret_key="")
    with pytest.raises(SettingsError, match="no profile 'nobody'"):
        s3(object_store, profile="nobody")


def test_a_bucket_is_made_when_there_is_none(object_store: Settings) -> None:
    bucket = s3(object_store, bucket="made-when-needed")
    bucket.ensure_bucket()
    bucket.ensure_bucket()
    bucket.put("contract/a", b"x", *HTML)
    assert bucket.get("contract/a") == b"x"


@pytest.mark.parametrize("change", [{"secret_key": "wrong"}, {"endpoint": "http://127.0.0.1:9"}])
def test_a_store_that_refuses_or_is_gone_is_a_target_error(object_store: Settings, change: dict[str, str]) -> None:
    bucket = s3(object_store, **change)
    with pytest.raises(TargetError):
        bucket.put("contract/a", b"x", *HTML)
    with pytest.raises(TargetError):
        bucket.delete(["contract/a"])
    with pytest.raises(TargetError):
        list(bucket.keys())


def test_credentials_come_from_the_usual_chain(object_store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", object_store.s3.secret_key)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    bucket = s3(object_store, access_key="", secret_key="")
    bucket.put("contract/chain", b"x", *HTML)
    assert bucket.get("contract/chain") == b"x"
    bucket.delete(["contract/chain"])


def test_a_key_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(TargetError):
        Folder(tmp_path / "site").put("../outside", b"x", *HTML)
    assert not (tmp_path / "outside").exists()
