"""The store of uploaded bytes. A blob lives from its upload until its job ends.

To add a store: write a class that keeps the `Blobs` protocol, choose it in `open_blobs`, and run the contract suite
tests/support/blobs_contract.py against it.
"""

from __future__ import annotations

from tagger.blobs.base import Blobs, Keep
from tagger.blobs.local import LocalBlobs
from tagger.errors import SettingsError
from tagger.settings import Settings
from tagger.settings.blob_url import bucket_and_prefix

__all__ = ["Blobs", "Keep", "open_blobs"]


def open_blobs(settings: Settings) -> Blobs:
    """The store that the settings name: a bucket (`blob_url`) or a folder. A bucket is not connected to yet.

    Errors: StorageUnavailable. SettingsError if a bucket is named and the extra `s3` is not installed.
    """
    return _bucket(settings) if settings.blob_url else LocalBlobs(settings.blobs)


def _bucket(settings: Settings) -> Blobs:
    try:
        from tagger.blobs.s3 import S3Blobs, S3Options  # optional, and slow to import
    except ModuleNotFoundError as err:
        if err.name != "botocore":
            raise
        raise SettingsError("`blob_url` names a bucket, and botocore is not installed.", "pip install 'tagger[s3]'") from None
    bucket, prefix = bucket_and_prefix(settings.blob_url)
    access, secret = settings.s3_access_key, settings.s3_secret_key
    if (access is None) != (secret is None):
        raise SettingsError("Only one of `s3_access_key` and `s3_secret_key` is set.", "Set both, or neither.")
    return S3Blobs(
        S3Options(
            bucket=bucket,
            prefix=prefix,
            endpoint=settings.s3_endpoint or None,
            region=settings.s3_region or None,
            access_key=access.get_secret_value() if access else None,
            secret_key=secret.get_secret_value() if secret else None,
            seconds=settings.s3_seconds,
        )
    )
