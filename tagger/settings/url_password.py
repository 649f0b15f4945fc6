"""A password that is given apart from its URL: one secret file then serves the database and its clients. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from pydantic import SecretStr


def has_password(url: str) -> bool:
    """Whether one of the URLs (sentinels are several, with `;` between them) holds a password."""
    return any(urlsplit(one).password is not None for one in url.split(";"))


def with_password(url: str, password: str) -> str:
    """The URL with the password. A URL without a host (SQLite, a unix socket) stays as it is."""
    return ";".join(_one(part, password) for part in url.split(";"))


def _one(url: str, password: str) -> str:
    scheme, separator, rest = url.partition("://")
    end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not authority:
        return url
    user, _, host = authority.rpartition("@")
    return f"{scheme}{separator}{user.removesuffix(':')}:{quote(password, safe='')}@{host}{path}"


def opened(url: str, password: SecretStr | None) -> str:
    """The URL with the password, if there is one."""
    return with_password(url, password.get_secret_value()) if password is not None else url
