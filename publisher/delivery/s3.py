"""The target that is a bucket of any S3-compatible store.

Objects are put by obstore (Rust) and everything rare by boto3: obstore puts 10,000 objects a second at 0.1 ms of CPU
each where boto3 manages 500 at 1.9 ms.
"""

from __future__ import annotations

import base64
import re
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

from publisher.delivery.cdn import address
from publisher.delivery.cdn import tag as tag_of
from publisher.delivery.targets import HIDDEN, Found, Read
from publisher.errors import RefusedError, SettingsError, TargetError

CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 30.0
DELETE_BATCH = 1000
"""Keys in one DeleteObjects call at most (S3's own limit)."""
NOTE = "publisher"
"""Name of the metadata that says who put an object."""
_REFUSALS = (
    obstore.exceptions.PreconditionError,
    obstore.exceptions.AlreadyExistsError,
    obstore.exceptions.NotFoundError,
)
_EXPIRED = ("expired", "the credentials have expired; renew them")
_UNKNOWN = ("unauthenticated", "the store does not know these credentials; look at access_key, secret_key or profile")
CONNECTIONS = 64
"""Connections that boto3 keeps open; of its own accord it keeps 10, and warns of each that it throws away."""
_SLOW = ("slow_down", "the store asks for fewer requests; `concurrency` lowers them")
_CODES = {
    "ExpiredToken": _EXPIRED, "ExpiredTokenException": _EXPIRED, "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": _EXPIRED, "InvalidAccessKeyId": _UNKNOWN, "SignatureDoesNotMatch": _UNKNOWN,
    "InvalidToken": _UNKNOWN, "AuthFailure": _UNKNOWN, "NoCredentialsError": _UNKNOWN,
    "TokenRetrievalError": _EXPIRED, "UnauthorizedSSOTokenError": _EXPIRED, "CredentialRetrievalError": _EXPIRED,
    "SlowDown": _SLOW, "ServiceUnavailable": _SLOW, "TooManyRequests": _SLOW, "RequestLimitExceeded": _SLOW,
    "AccessDenied": ("forbidden", "these credentials may not do this; they need to put, get and delete"),
    "AllAccessDisabled": ("forbidden", "the store closed this bucket to everybody"),
    "NoSuchBucket": ("not_found", "there is no such bucket; make it, or look at its name and endpoint"),
    "RequestTimeTooSkewed": ("clock", "the clock of this machine is wrong by more than a quarter of an hour; set it"),
    "QuotaExceeded": ("full", "the bucket is full"),
}  # fmt: skip
"""What the codes of S3's errors mean for us, and what to do about it."""
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
                max_pool_connections=CONNECTIONS,
            ),
        )
        self._asking = self._session.client(
            "s3",
            endpoint_url=endpoint or None,
            config=self._client.meta.config.merge(botocore.config.Config(retries={"total_max_attempts": 1})),
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
                raise TargetError(f"{self.name}: cannot look at bucket {self._bucket}: {_first_line(error)}") from error
            self._create_bucket()
        except botocore.exceptions.BotoCoreError as error:
            raise TargetError(f"{self.name}: cannot reach the store: {_first_line(error)}") from error

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        """Store a body with its headers, replacing what was there; returns the ETag."""
        try:
            return self._put(key, body, content_type, cache_control)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise TargetError(f"{self.name}: PUT {key} failed: {_first_line(error)}", _reason(error)) from error

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        """Store a body with its headers and a note where the key holds what has `tag`, or nothing (None)."""
        mode: Any = "create" if tag is None else {"e_tag": tag}
        try:
            return self._put(key, body, content_type, cache_control, mode=mode, note=note)
        except _REFUSALS as error:
            raise RefusedError(f"{self.name}: {key} does not hold what it should: {_first_line(error)}") from error
        except (obstore.exceptions.BaseError, OSError) as error:
            raise TargetError(f"{self.name}: PUT {key} failed: {_first_line(error)}", _reason(error)) from error

    def look(self, key: str, *, with_body: bool = True) -> Found | None:
        """What a key holds; None when it holds nothing."""
        try:
            if with_body:
                got = obstore.get(self._store, self._prefix + key)
                return Found(tag=got.meta["e_tag"] or "", body=bytes(got.bytes()))
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            return Found(tag=head["ETag"], note=head["Metadata"].get(NOTE, ""))
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return None
        except botocore.exceptions.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise TargetError(f"{self.name}: HEAD {key} failed: {_first_line(error)}") from error
        except (obstore.exceptions.BaseError, botocore.exceptions.BotoCoreError, OSError) as error:
            raise TargetError(f"{self.name}: GET {key} failed: {_first_line(error)}", _reason(error)) from error

    def headers_of(self, key: str) -> dict[str, str]:
        """The headers that an object has: for checking a store."""
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise self._explained(f"HEAD {key}", error) from error
        return {
            "Content-Type": head.get("ContentType", ""), "Cache-Control": head.get("CacheControl", ""),
            "cache-tag": head["Metadata"].get("cache-tag", ""), NOTE: head["Metadata"].get(NOTE, ""),
        }  # fmt: skip

    def below(self, beginning: str) -> list[str]:
        """The keys that begin so."""
        return list(self.keys(beginning))

    def takes_damage(self, key: str) -> bool:
        """Whether the store accepts a body that is not what its digest in the request says: for checking a store."""
        digest = base64.b64encode(bytes(16)).decode()
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=b"damaged", ContentMD5=digest)
        except botocore.exceptions.ClientError as error:
            if _code(error) in ("BadDigest", "InvalidDigest"):
                return False
            raise self._explained(f"PUT {key}", error) from error
        except botocore.exceptions.BotoCoreError as error:
            raise self._explained(f"PUT {key}", error) from error
        return True

    def diagnose(self) -> TargetError | None:
        """Why the store does not do what it is asked, by the code it answers; None when it answers as it should."""
        try:
            self._asking.get_object(Bucket=self._bucket, Key=f"{self._prefix}{HIDDEN}diagnosis")
        except botocore.exceptions.ClientError as error:
            return None if _code(error) == "NoSuchKey" else self._explained("GET", error)
        except botocore.exceptions.BotoCoreError as error:
            return self._explained("GET", error)
        return None

    def _explained(self, what: str, error: Exception) -> TargetError:
        code = _code(error) if isinstance(error, botocore.exceptions.ClientError) else type(error).__name__
        reason, advice = _CODES.get(code, ("unavailable", "it is tried again"))
        return TargetError(f"{self.name}: {what} failed: {code}: {advice}", reason)

    def _put(
        self, key: str, body: bytes, content_type: str, cache_control: str, *, mode: Any = "overwrite", note: str = ""
    ) -> str:
        attributes = {"Content-Type": content_type, "Cache-Control": cache_control, "cache-tag": tag_of(address(key))}
        if note:
            attributes[NOTE] = note
        path = self._prefix + key
        return (
            obstore.put(self._store, path, body, attributes=attributes, mode=mode, use_multipart=False)["e_tag"] or ""
        )

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; one that is not there is removed already."""
        for start in range(0, len(keys), DELETE_BATCH):
            batch = [{"Key": self._prefix + key} for key in keys[start : start + DELETE_BATCH]]
            try:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                raise TargetError(f"{self.name}: DELETE of {len(batch)} keys failed: {_first_line(error)}") from error
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

    def keys(self, below: str = "") -> Iterator[str]:
        """Every key that is held, or those that begin with `below`: for verification, never for publishing."""
        yield from (key for key, _ in self.listed(below))

    def listed(self, below: str = "") -> Iterator[tuple[str, int]]:
        """Every key that is held, or those that begin with `below`, with the size of its body."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + below
            )
            for answer in pages:
                for entry in answer.get("Contents", ()):
                    key = entry["Key"].removeprefix(self._prefix)
                    if below or not key.startswith(HIDDEN):
                        yield key, int(entry["Size"])
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise TargetError(f"{self.name}: cannot list bucket {self._bucket}: {_first_line(error)}") from error

    def _create_bucket(self) -> None:
        try:
            self._client.create_bucket(Bucket=self._bucket)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise TargetError(f"{self.name}: cannot make bucket {self._bucket}: {_first_line(error)}") from error


def _code(error: botocore.exceptions.ClientError) -> str:
    """What a store answered, in its own word."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: BaseException) -> str:
    """What kept an operation, in one word of few: what the store answered, or that it could not be asked."""
    return next((word for kind, word in _REASONS if isinstance(error, kind)), "unavailable")


_CREDENTIAL = re.compile(r"(Credential=|AccessKeyId>|Signature=)[^/<,\s]+")
"""What a store that refuses a request may repeat of it."""


def _first_line(error: BaseException) -> str:
    return _CREDENTIAL.sub(r"\1…", str(error).strip().partition("\n")[0])[:300]
