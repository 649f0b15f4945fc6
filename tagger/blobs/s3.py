"""Uploaded bytes in a bucket of an S3-compatible store, for an installation on several machines.

Each object is written whole, by one PUT that the store refuses if the key exists. So no other object is ever overwritten, a
half-sent body leaves nothing, and there are no parts of uploads to clean. Only this module imports botocore, an optional extra.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tagger.blobs.base import Keep
from tagger.blobs.keys import KEY, PAGE, checked, holds, new_key
from tagger.errors import FetchFailed, NotFound, StorageUnavailable

CONNECT_SECONDS = 3.0
ATTEMPTS = 2  # of each request; the caller tries again later
CHUNK = 256 * 1024
ABSENT = frozenset({"NoSuchKey", "404"})  # HEAD answers without a body, so botocore names the status
STORED_ALREADY = "PreconditionFailed"
DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"})


@dataclass(frozen=True, kw_only=True)
class S3Options:
    bucket: str
    prefix: str = ""  # of every key, such as `tagger/`
    endpoint: str | None = None  # None: Amazon's own, by the region
    region: str | None = None  # None: what botocore finds (AWS_REGION, ~/.aws/config), else us-east-1
    access_key: str | None = field(default=None, repr=False)  # None: what botocore finds, such as the role of the pod or machine
    secret_key: str | None = field(default=None, repr=False)
    seconds: float = 15.0  # deadline of one upload or download


class S3Blobs:
    """Many processes and machines may use the bucket at once. It connects at the first use."""

    def __init__(self, options: S3Options) -> None:
        self._options = options
        self._client = _client(options)

    def put(self, data: bytes) -> str:
        key = new_key(data)
        with _storage(self._options):
            try:
                self._call("put_object", key, Body=_Upload(data, self._deadline()), ContentLength=len(data), IfNoneMatch="*")
            except ClientError as err:
                if _code(err) != STORED_ALREADY or not self._is_ours(key, len(data)):
                    raise
        return key

    def get(self, key: str) -> bytes:
        deadline = self._deadline()
        with _storage(self._options):
            try:
                data = _read(self._call("get_object", checked(key))["Body"], deadline)
            except ClientError as err:
                if _code(err) in ABSENT:
                    raise NotFound("The uploaded bytes are no longer stored.") from None
                raise
        if not holds(key, data):
            raise FetchFailed("The store returned other bytes than were uploaded.", "Send the bytes again.")
        return data

    def delete(self, key: str) -> None:
        with _storage(self._options):
            self._call("delete_object", checked(key))

    def sweep(self, older_than_ms: int, keep: Keep) -> int:
        removed = 0
        with _storage(self._options):
            for page in self._old_keys(older_than_ms):
                wanted = set(keep(page))
                for key in page:
                    if key not in wanted:
                        self._call("delete_object", key)
                        removed += 1
        return removed

    def _is_ours(self, key: str, length: int) -> bool:
        """Whether the first attempt stored the object and its answer was lost. Nobody else has this random key."""
        return int(self._call("head_object", key)["ContentLength"]) == length

    def _old_keys(self, older_than_ms: int) -> Iterator[list[str]]:
        prefix = self._options.prefix
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._options.bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            old = (item for item in page.get("Contents", ()) if item["LastModified"].timestamp() * 1000 < older_than_ms)
            names = (item["Key"].removeprefix(prefix) for item in old)
            if keys := [name for name in names if KEY.fullmatch(name)]:  # others' objects stay
                yield keys

    def _call(self, operation: str, key: str, **parameters: Any) -> dict[str, Any]:
        call = getattr(self._client, operation)
        return cast("dict[str, Any]", call(Bucket=self._options.bucket, Key=self._options.prefix + key, **parameters))

    def _deadline(self) -> float:
        return time.monotonic() + self._options.seconds


class _TooSlow(Exception):
    """The deadline of the whole transfer has passed. botocore's own limits are those of one read or write of the socket."""


class _Upload(io.BytesIO):
    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise _TooSlow
        return super().read(size)


def _read(body: Any, deadline: float) -> bytes:
    data = bytearray()
    try:
        while chunk := body.read(CHUNK):
            data += chunk
            if time.monotonic() > deadline:
                raise _TooSlow
    finally:
        body.close()
    return bytes(data)


def _client(options: S3Options) -> Any:
    config = Config(
        connect_timeout=min(CONNECT_SECONDS, options.seconds),
        read_timeout=options.seconds,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        max_pool_connections=64,
        user_agent_extra="tagger",
        # The signature covers the hash of the body, so the store checks what it received. Not every store knows newer checksums.
        s3={"payload_signing_enabled": True, "addressing_style": "path" if options.endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    logging.getLogger("botocore").setLevel(logging.INFO)  # below, it logs headers with signatures
    session = botocore.session.get_session()
    region = options.region or session.get_config_variable("region") or "us-east-1"
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=options.endpoint,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        config=config,
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _storage(options: S3Options) -> Iterator[None]:
    """Every fault as StorageUnavailable. Its words name the bucket and the code of the answer, never a key or a header."""
    where = f"The bucket {options.bucket}"
    try:
        yield
    except _TooSlow:
        raise StorageUnavailable(f"{where} did not finish a transfer within {options.seconds:g} s.") from None
    except ClientError as err:
        code = _code(err)
        if code in DENIED:
            remedy = "Correct the credentials, or the policy of the bucket; docs/deployment.md lists what it must allow."
            raise StorageUnavailable(f"{where} refused the access ({code}).", remedy) from None
        if code == "NoSuchBucket":
            raise StorageUnavailable(f"{where} does not exist.", "Create the bucket, or correct `blob_url`.") from None
        raise StorageUnavailable(f"{where} answered with an error ({code or 'no code'}).") from None
    except (BotoCoreError, OSError) as err:
        if isinstance(getattr(err, "kwargs", {}).get("error"), _TooSlow):
            raise StorageUnavailable(f"{where} did not finish a transfer within {options.seconds:g} s.") from None
        raise StorageUnavailable(f"{where} cannot be reached ({type(err).__name__}).") from err
