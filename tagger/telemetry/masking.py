"""Passwords that stand inside longer texts, made unreadable before anybody is shown them. Pure."""

from __future__ import annotations

import re

MASK = "***"
# To the last @ of the URL: a password may hold one itself. Kombu takes several URLs in one text, with semicolons.
_USER_AND_PASSWORD = re.compile(r"(://[^:@/?#\s;]*:)[^\s;]*@")
_TOKEN_AS_USER = re.compile(r"(https?://)[^:@/?#\s;]+@", re.IGNORECASE)
# Also of a URL without its host, as urllib3 writes it. The name is looked through once: a long one must not take long.
_IN_QUERY = re.compile(
    r"([?&](?=[^=?&\s#;]*(?:passw|pwd|secret|token|key|sig|auth|credential))[^=?&\s#;]*=)[^&\s#;]*", re.IGNORECASE
)


def mask_passwords(text: str) -> str:
    """The same text, with `***` for the passwords and tokens of its URLs."""
    if "://" in text:
        text = _USER_AND_PASSWORD.sub(rf"\g<1>{MASK}@", text)
        text = _TOKEN_AS_USER.sub(rf"\g<1>{MASK}@", text)
    return _IN_QUERY.sub(rf"\g<1>{MASK}", text) if "=" in text else text
