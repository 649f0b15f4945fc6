"""One Settings object, from defaults, then `tagger.toml`, then `TAGGER_*`. Built once, in main; nothing is read at import.

An unknown key fails and is named: a misspelt setting must not be silently ignored.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from tagger.delivery import MAX_DELIVER_SECONDS
from tagger.errors import SettingsError
from tagger.settings import environment

ENV_PREFIX = environment.PREFIX
CONFIG_ENV = "TAGGER_CONFIG"  # path of tagger.toml; default: <home>/tagger.toml when it exists

SECRETS_OF = {"TAGGER_ADMIN_KEY": ("api",), "TAGGER_EVENTS_SECRET": ("deliver",)}  # variable → roles of processes that need it

BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")  # those of kombu that speak Redis
EVENT_SCHEMES = ("https", "http")
MIB = 1 << 20
MAX_SOCKET_PATH = 100  # bytes; Linux ends at 107, macOS at 103
UNUSABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories: control, surrogate (a byte that is not UTF-8), line breaks
MAX_NAME = 255  # bytes; of a file or folder, on every common file system
MAX_HOME_PATH = 400  # bytes; SQLite opens no file whose path is longer than 512


class Settings(BaseModel):
    """Every setting of tagger. Times in the unit that the name ends with; sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default=Path("~/.tagger"), description="Folder of the embedded stack: ledger, broker, blobs, logs.")
    ledger_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in `home`.")
    broker_url: str = Field(default="", description="Redis URL; empty: the embedded broker on a socket in `home`.")
    blob_dir: Path | None = Field(default=None, description="Folder for uploaded bytes; empty: `home`/blobs.")

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=8400, ge=0, le=65535, description="Port that the API listens on; 0 takes a free one.")
    admin_key: SecretStr | None = Field(default=None, description="Bearer key that may act for every site; empty: none may.")
    max_body_bytes: int = Field(default=32 * MIB, gt=0, description="Largest request body, and largest image fetched.")
    body_memory_bytes: int = Field(
        default=192 * MIB,
        gt=0,
        description="Request bodies that the API holds at once; further ones wait, and get 429 after 20 s.",
    )
    max_pixels: int = Field(default=100_000_000, gt=0, description="Largest width × height that is decoded.")
    compat_site: str = Field(default="", description="Site that the routes for existing callers act for; empty: no such routes.")
    compat_review: bool = Field(
        default=False,
        description="Those routes also answer words for review; by default only what would be published.",
    )
    compat_addresses: str = Field(
        default="127.0.0.1,::1", description="Addresses and networks, with commas, that may call those routes without a key."
    )
    compat_hosts: str = Field(
        default="",
        description="Names, with commas, by which callers reach those routes; localhost and plain addresses always may.",
    )
    trusted_proxies: str = Field(
        default="", description="Proxies, as addresses and networks with commas, whose X-Forwarded-For those routes believe."
    )
    describe_wait_seconds: float = Field(default=10.0, gt=0, le=60, description="How long /v1/describe waits before 202.")

    tag_processes: int = Field(default=0, ge=0, description="Tag worker processes per lane; 0: one per usable processor.")
    threads: int = Field(default=64, ge=1, le=512, description="Task threads of a tag worker; at least twice `max_batch`.")
    max_batch: int = Field(default=16, ge=1, le=1024, description="Most images in a batch, whatever the budget says.")
    batch_wait_ms: float = Field(
        default=15.0, ge=0, le=1000, description="A batch waits so long to fill; of lite models at least 120."
    )
    decode_processes: int = Field(default=0, ge=0, description="Decoders per tag worker; 0: one per usable processor but one.")
    decode_seconds: float = Field(default=10.0, gt=0, description="Deadline for decoding one image.")
    decode_memory_bytes: int = Field(default=1024 * MIB, gt=0, description="Memory limit of one decoder process.")
    fetch_seconds: float = Field(default=20.0, gt=0, description="Total deadline for fetching one image, redirects included.")
    job_seconds: float = Field(default=120.0, gt=0, description="Hard deadline of one job in a worker.")
    window: int = Field(default=5_000, ge=1, description="Most unclaimed jobs of one backfill, and most hints of one lane.")

    caption: Literal["auto", "ofa", "lite", "fake", "none"] = Field(default="auto", description="Model of the captions.")
    embed: Literal["auto", "gme", "lite", "fake", "none"] = Field(default="auto", description="Model of vectors and tags.")
    check: Literal["ofa-entailment", "fake", "none"] = Field(
        default="none", description="Model with which the tag workers check texts; if none of them has one, checks are refused."
    )
    model_dir: Path | None = Field(default=None, description="Folder of downloaded weights; empty: `home`/models.")
    model_mirror: Path | None = Field(default=None, description="Folder with copies of weights, for machines without internet.")
    model_pull: bool = Field(
        default=False, description="A worker fetches weights that it was told to use and that are not there."
    )
    visual_tokens_least: int = Field(default=256, ge=4, le=16_384, description="Fewest visual tokens of an image for `gme`.")
    visual_tokens_most: int = Field(default=1_280, ge=4, le=16_384, description="Most visual tokens; its biggest cost.")

    deliver_seconds: float = Field(
        default=15.0, gt=0, le=MAX_DELIVER_SECONDS, description="Total deadline of one delivery attempt, body included."
    )
    deliver_threads: int = Field(default=16, ge=1, le=256, description="Deliveries under way at once in one process.")
    events_url: str = Field(default="", description="URL that takes the signed operator events; empty: log and metrics only.")
    events_secret: SecretStr | None = Field(default=None, description="The whsec_… secret that signs the operator events.")
    events_private: bool = Field(default=False, description="That URL may be at a private or loopback address.")

    retention_days: int = Field(
        default=90, ge=1, description="How long ended jobs, deliveries, attempts and cached predictions are kept."
    )

    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of a worker's metrics; `tagger up` gives each worker its own, from this one on. 0: none.",
    )
    log_file_bytes: int = Field(
        default=16 * MIB,
        ge=64 * 1024,
        description="A log file of `tagger up` is set aside at this size; two older ones stay.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="Form of a log line.")

    @field_validator("broker_url", "events_url")
    @classmethod
    def readable(cls, url: str, info: ValidationInfo) -> str:
        """Each library that reads the URL later would raise an error of its own. The message names nothing of the URL but its
        scheme: the rest may hold a password.
        """
        known = BROKER_SCHEMES if info.field_name == "broker_url" else EVENT_SCHEMES
        for one in url.split(";") if url else ():  # of several sentinels
            scheme, separator, _ = one.partition("://")
            if not separator or scheme not in known:
                given = f"`{scheme}` is none" if separator and scheme.isascii() and scheme.isprintable() else "this has none"
                raise ValueError(f"a URL begins with {' or '.join(f'{name}://' for name in known)}; {given} of them")
            try:
                _ = urlsplit(one).port
            except ValueError:
                raise ValueError("the host or the port of the URL is not valid") from None
        return url

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{quote(str(self.home / 'ledger.sqlite'))}"

    @property
    def broker(self) -> str:
        return self.broker_url or broker_socket_url(self.home)

    @property
    def blobs(self) -> Path:
        return self.blob_dir or self.home / "blobs"

    @property
    def models(self) -> Path:
        return self.model_dir or self.home / "models"

    @property
    def vectors(self) -> Path:
        """Folder of the text vectors of vocabularies, each named by model revision and content."""
        return self.models / "vectors"


def broker_socket(home: Path) -> Path:
    """Where the embedded broker of `home` listens: there, or in a private folder of ours where that path is too long."""
    socket = home / "broker.sock"
    if len(os.fsencode(socket)) < MAX_SOCKET_PATH:
        return socket
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    socket = Path(tempfile.gettempdir()) / f"tagger-{os.getuid()}-{name}" / "broker.sock"
    return socket if len(os.fsencode(socket)) < MAX_SOCKET_PATH else Path("/tmp", *socket.parts[-2:])  # noqa: S108 - short


def broker_socket_url(home: Path) -> str:
    """The URL of that socket for kombu, which takes `?`, `#`, `;` and `%` of a bare path for parts of a URL."""
    return f"redis+socket://{quote(str(broker_socket(home)))}"


def child_env(settings: Settings, env: Mapping[str, str] | None = None, *, role: str = "") -> dict[str, str]:
    """The environment of a child process that is to have exactly these settings: none of the caller's own `TAGGER_*` go along.

    Otherwise a `TAGGER_CONFIG` that names the production ledger would be read again by the children of a demo. A secret goes
    only to the role that needs it: a worker opens strangers' pictures, and its environment can be read by others of its user.
    """
    kept = {name: text for name, text in to_env(settings).items() if role in SECRETS_OF.get(name, (role,))}
    return {**plain_env(env), **kept}


def plain_env(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program that is to know nothing of our settings, such as the broker."""
    env = os.environ if env is None else env
    return {name: text for name, text in env.items() if not name.startswith(ENV_PREFIX)}


def load(env: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Defaults, then the file, then the environment, then `overrides` (command-line options; None means not given).

    Errors: SettingsError that names each bad or unknown key and where it came from.
    """
    env = environment.settings_in(os.environ if env is None else env)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    home = _usable(Path(overrides.get("home") or env.get(ENV_PREFIX + "HOME") or Settings.model_fields["home"].default))
    file = Path(env[CONFIG_ENV]) if env.get(CONFIG_ENV) else home / "tagger.toml"
    if os.path.isfile(file):  # False for a path that is too long, where Path.is_file raises
        try:
            table = tomllib.loads(file.read_text("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as err:
            raise SettingsError(f"{file}: {err}") from err
        if "home" in table:
            raise SettingsError(f"{file}: home: say it with --home or TAGGER_HOME; the file is looked for in it.")
        for key, value in table.items():
            values[key], origin[key] = value, f"{file}: {key}"
    elif env.get(CONFIG_ENV):
        raise SettingsError(f"{CONFIG_ENV} names {file}, which does not exist.")
    for name, text in env.items():
        if name != CONFIG_ENV and text != "":
            key = name.removeprefix(ENV_PREFIX).lower()
            values[key], origin[key] = text, name
    for key, value in overrides.items():
        if value is not None:
            values[key], origin[key] = value, f"option {key}"
    values["home"] = home
    try:
        return Settings(**values)
    except ValidationError as err:
        raise SettingsError("; ".join(_complaint(e, origin) for e in err.errors())) from None


def _usable(home: Path) -> Path:
    """The absolute path of the home. Errors: SettingsError for one that a part of the stack could not use, before any starts."""
    problem = _fault_of(str(home))
    if not problem:
        try:
            resolved = home.expanduser().resolve()
            if not (problem := _fault_of(str(resolved))):
                return resolved
        except (OSError, RuntimeError) as err:
            problem = f"cannot be used: {err}"
    raise SettingsError(f"The home {ascii(str(home))[:200]} {problem}.", "Choose another folder with --home or TAGGER_HOME.")


def _fault_of(path: str) -> str:
    if any(unicodedata.category(sign) in UNUSABLE for sign in path):  # the ledger's URL and log lines hold the path
        return "has a control character, or a byte that is not UTF-8, in its path"
    if path != path.strip():  # an environment variable or a file of settings may lose it on the way to a worker
        return "begins or ends with a blank"
    if len(os.fsencode(path)) > MAX_HOME_PATH:
        return f"has a path of {len(os.fsencode(path))} bytes, and at most {MAX_HOME_PATH} can be used"
    if any(len(os.fsencode(part)) > MAX_NAME for part in Path(path).parts):
        return f"has a name in its path that is too long: at most {MAX_NAME} bytes can be used"
    return ""


def _complaint(error: Any, origin: Mapping[str, str]) -> str:
    key = str(error["loc"][0])
    where = origin.get(key, key)
    if error["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def to_env(settings: Settings) -> dict[str, str]:
    """The environment that makes `load` build the same Settings in a child process."""
    env: dict[str, str] = {}
    for key, value in settings:
        if value is None:
            continue
        env[ENV_PREFIX + key.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return env
