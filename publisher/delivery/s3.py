"""The target that is a bucket of any S3-compatible store.

Objects are put by obstore (Rust) and everything rare by boto3: obstore puts 10,000 objects a second at 0.1 ms of CPU
each where boto3 manages 500 at 1.9 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import obstore
import obstore.exceptions
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from publisher.delivery.cdn import address, tag
from publisher.delivery.targets import Read
from publisher.errors import SettingsError, TargetError

CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 30.0
DELETE_BATCH = 1000
"""Keys in one DeleteObjects call at most (S3's own limit)."""
_REASONS = (
    (obstore.exceptions.UnauthenticatedError, "unauthenticated"),
    (obstore.exceptions.PermissionDeniedError, "forbidden"),
    (obstore.exceptions.NotFoundError, "not_found"),
    (obstore.exceptions.PreconditionError, "precondition"),
    (obstore.exceptions.AlreadyExistsError, "conflict"),
)


class S3:
    """A bucket, or the part of it below `prefix` (empty, or ending in a slash).

    `endpoint` is empty for AWS; without `access_key` the usual AWS chain gives credentials, of `profile` when named.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str = "",
        region: str = "us-east-1",
        access_key: str = "",
        secret_key: str = "",
        profile: str = "",
        prefix: str = "",
        name: str = "",
        connect_seconds: float = CONNECT_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.name = name or bucket
        self._bucket, self._prefix = bucket, prefix
        try:
            self._session = boto3.session.Session(
                aws_access_key_id=access_key or None, aws_secret_access_key=secret_key or None, region_name=region,
                profile_name=profile or None,
            )  # fmt: skip
        except botocore.exceptions.ProfileNotFound as error:
            raise SettingsError(f"{self.name}: the AWS configuration has no profile {profile!r}") from error
        self._client = self._session.client(
            "s3",
            endpoint_url=endpoint or None,
            config=botocore.config.Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"} if endpoint else {},
                connect_timeout=connect_seconds,
                read_timeout=request_seconds,
                retries={"mode": "standard", "max_attempts": 3},
            ),
        )
        options: dict[str, Any] = {"region": region}
        if endpoint:
            options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if access_key:
            options |= {"access_key_id": access_key, "secret_access_key": secret_key}
        else:
            options["credential_provider"] = self._credentials()
        self._store = S3Store(
            bucket,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=connect_seconds),
                "timeout": timedelta(seconds=request_seconds),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=request_seconds)},
            **options,
        )

    def _credentials(self) -> Boto3CredentialProvider:
        try:
            return Boto3CredentialProvider(self._session)
        except (ValueError, botocore.exceptions.BotoCoreError) as error:
            raise SettingsError(
                f"{self.name}: no credentials: give access_key and secret_key, a profile, or what AWS programs take"
                f" (AWS_ACCESS_KEY_ID, AWS_PROFILE, a role)"
            ) from error

    def ensure_bucket(self) -> None:
        """Make the bucket when there is none."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except botocore.exceptions.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                raise TargetError(f"{self.name}: cannot look at bucket {self._bucket}: {error}") from error
            self._create_bucket()
        except botocore.exceptions.BotoCoreError as error:
            raise TargetError(f"{self.name}: cannot reach the store: {error}") from error

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        """Store a body with its headers, replacing what was there; returns the ETag."""
        attributes = {"Content-Type": content_type, "Cache-Control": cache_control, "cache-tag": tag(address(key))}
        try:
            return (
                obstore.put(self._store, self._prefix + key, body, attributes=attributes, use_multipart=False)["e_tag"]
                or ""
            )
        except (obstore.exceptions.BaseError, OSError) as error:
            raise TargetError(f"{self.name}: PUT {key} failed: {_first_line(error)}", _reason(error)) from error

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; one that is not there is removed already."""
        for start in range(0, len(keys), DELETE_BATCH):
            batch = [{"Key": self._prefix + key} for key in keys[start : start + DELETE_BATCH]]
            try:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                raise TargetError(f"{self.name}: DELETE of {len(batch)} keys failed: {error}") from error
            if refused := answer.get("Errors"):
                first = refused[0]
                raise TargetError(f"{self.name}: DELETE {first.get('Key')} refused: {first.get('Message')}")

    def get(self, key: str) -> bytes | None:
        """The body under a key; None when there is none."""
        found = self.read(key)
        return None if found is None else found.body

    def read(self, key: str) -> Read | None:
        """The object under a key with its headers; None when there is none."""
        try:
            answer = obstore.get(self._store, self._prefix + key)
            said = {str(name): str(value) for name, value in answer.attributes.items()}
            return Read(bytes(answer.bytes()), (said.get("Content-Type", ""), said.get("Cache-Control", "")))
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise TargetError(f"{self.name}: GET {key} failed: {_first_line(error)}") from error

    def keys(self) -> Iterator[str]:
        """Every key that is held: for verification, never for publishing."""
        yield from (key for key, _ in self.listed())

    def listed(self) -> Iterator[tuple[str, int]]:
        """Every key that is held, with the size of its body."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for answer in pages:
                for entry in answer.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix), int(entry["Size"])
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise TargetError(f"{self.name}: cannot list bucket {self._bucket}: {error}") from error

    def _create_bucket(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._bucket)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise TargetError(f"{self.name}: cannot make bucket {self._bucket}: {error}") from error


def _reason(error: BaseException) -> str:
    """What kept an operation, in one word of few: what the store answered, or that it could not be asked."""
    return next((word for kind, word in _REASONS if isinstance(error, kind)), "unavailable")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
