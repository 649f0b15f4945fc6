"""`blob_url`: the bucket of uploaded bytes, `s3://bucket` or `s3://bucket/prefix`. Pure."""

from __future__ import annotations

import re

SCHEME = "s3://"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,200}")  # what S3's documentation calls safe characters


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """The prefix ends with `/`, or is empty. Errors: ValueError that says what is wrong."""
    if not url.startswith(SCHEME):
        raise ValueError("a blob URL is s3://bucket or s3://bucket/prefix")
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not BUCKET.fullmatch(bucket):
        raise ValueError("the bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens")
    prefix = prefix.strip("/")
    if not PREFIX.fullmatch(prefix):
        raise ValueError("the prefix may hold letters, digits and !_.*'()/- only")
    return bucket, prefix and prefix + "/"
