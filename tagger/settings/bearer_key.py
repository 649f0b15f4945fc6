"""A key that callers send as `Authorization: Bearer …`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr


def _sendable(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("a key has only printable ASCII characters, and no blank at its ends; no header can carry another")
    return key


BearerKey = Annotated[SecretStr, AfterValidator(_sendable)]
