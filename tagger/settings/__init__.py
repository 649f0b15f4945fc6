"""One Settings object, from defaults, then `tagger.toml`, then `TAGGER_*`. Built once, in main; nothing is read at import.

An unknown key fails and is named: a misspelt setting must not be silently ignored.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from tagger.delivery import MAX_DELIVER_SECONDS
from tagger.errors import SettingsError
from tagger.settings import environment
from tagger.settings.bearer_key import BearerKey
from tagger.settings.blob_url import bucket_and_prefix
from tagger.settings.broker_path import broker_socket_url
from tagger.settings.home_path import usable_home
from tagger.settings.limits import MOST_THREADS, Days, DecodeMemory, Processes, SearchIndex, Seconds, Size, fitting_batch
from tagger.settings.secret_files import read_files
from tagger.settings.secret_roles import is_needed
from tagger.settings.url_password import has_password, opened
from tagger.settings.url_scheme import BROKER_SCHEMES, HTTP_SCHEMES, check_url

ENV_PREFIX = environment.PREFIX
CONFIG_ENV = "TAGGER_CONFIG"  # path of tagger.toml; default: <home>/tagger.toml when it exists

MIB = 1 << 20


class Settings(BaseModel):
    """Every setting of tagger. Times in the unit that the name ends with; sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default=Path("~/.tagger"), description="Folder of `tagger up`: ledger, broker, uploaded bytes, logs.")
    ledger_url: str = Field(default="", description="SQLAlchemy URL of the ledger. Empty: SQLite in `home`.")
    broker_url: str = Field(default="", description="Redis URL of the broker. Empty: the embedded broker on a socket in `home`.")
    ledger_password: SecretStr | None = Field(default=None, description="Password for `ledger_url`, if the URL holds none.")
    broker_password: SecretStr | None = Field(default=None, description="Password for `broker_url`, if the URL holds none.")
    blob_dir: Path | None = Field(default=None, description="Folder for uploaded bytes. Empty: `home`/blobs.")
    blob_url: str = Field(default="", description="S3 bucket for uploaded bytes, s3://bucket/prefix, in place of `blob_dir`.")
    s3_endpoint: str = Field(default="", description="URL of an S3-compatible store. Empty: Amazon S3 in `s3_region`.")
    s3_region: str = Field(default="", description="Region of the bucket. Empty: AWS_REGION, or us-east-1.")
    s3_access_key: SecretStr | None = Field(default=None, description="Access key. Empty: the role of the pod or machine.")
    s3_secret_key: SecretStr | None = Field(default=None, description="Secret key that belongs to `s3_access_key`.")
    s3_seconds: float = Field(default=15.0, gt=0, le=120, description="Deadline of one upload to or download from the bucket.")

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=8400, ge=0, le=65535, description="Port that the API listens on. 0 takes a free one.")
    admin_key: BearerKey | None = Field(
        default=None, description="Bearer key of the operator, valid for every site. Empty: no such key."
    )
    max_body_bytes: Size = Field(default=32 * MIB, description="Largest request body, and largest image to fetch.")
    body_memory_bytes: Size = Field(
        default=192 * MIB,
        description="Total size of the request bodies that the API holds at one time. Further "
        "bodies wait; after 20 s they get 429.",
    )
    max_pixels: Size = Field(default=100_000_000, description="Largest width × height of an image to decode.")
    compat_site: str = Field(default="", description="Site of the routes for existing callers. Empty: these routes do not exist.")
    compat_review: bool = Field(
        default=False,
        description="These routes also return texts for review. By default they return only texts that would be published.",
    )
    compat_addresses: str = Field(
        default="127.0.0.1,::1",
        description="Addresses and networks that may call these routes without a key, separated by commas.",
    )
    compat_hosts: str = Field(
        default="",
        description="Host names for these routes, separated by commas. localhost and plain addresses are always allowed.",
    )
    trusted_proxies: str = Field(
        default="", description="Addresses and networks of proxies whose X-Forwarded-For these routes trust, separated by commas."
    )
    describe_wait_seconds: float = Field(
        default=10.0, gt=0, le=60, description="How long /v1/describe waits for the result. After that it answers 202."
    )

    tag_processes: Processes = Field(default=0, description="Most tag worker processes per lane. 0: one per usable processor.")
    threads: int = Field(default=64, ge=1, le=MOST_THREADS, description="Task threads of a tag worker.")
    max_batch: int = Field(default=16, ge=1, le=1024, description="Most images in a batch. Never more than half of `threads`.")
    batch_wait_ms: float = Field(
        default=15.0, ge=0, le=1000, description="How long a batch waits for more images. With lite models at least 120."
    )
    decode_processes: Processes = Field(
        default=0, description="Decoder processes per tag worker. 0: one less than the usable processors."
    )
    decode_seconds: Seconds = Field(default=10.0, description="Deadline for decoding one image.")
    decode_memory_bytes: DecodeMemory = Field(default=1024 * MIB, description="Memory limit of one decoder process.")
    fetch_seconds: Seconds = Field(default=20.0, description="Deadline for fetching one image, with its redirects.")
    job_seconds: Seconds = Field(default=120.0, description="Hard deadline of one job in a worker.")
    window: int = Field(
        default=5_000,
        ge=1,
        le=1_000_000,
        description="Most waiting jobs of one backfill, and most hints in the queue of one lane.",
    )

    caption: Literal["auto", "ofa", "lite", "openai", "fake", "none"] = Field(
        default="auto", description="Model for the captions."
    )
    embed: Literal["auto", "gme", "lite", "fake", "none"] = Field(default="auto", description="Model for vectors and tags.")
    check: Literal["ofa-entailment", "fake", "none"] = Field(
        default="none", description="Model with which the tag workers check texts. If no worker has one, checks are refused."
    )
    model_dir: Path | None = Field(default=None, description="Folder of downloaded weights. Empty: `home`/models.")
    model_mirror: Path | None = Field(default=None, description="Folder with copies of weights, for a machine without internet.")
    model_pull: bool = Field(default=False, description="A worker downloads missing weights of its models at the start.")
    search_index: SearchIndex = Field(default="exact", description="Index of vectors: files in `home`, or tables in the ledger.")
    visual_tokens_least: int = Field(default=256, ge=4, le=16_384, description="Fewest visual tokens of an image for `gme`.")
    visual_tokens_most: int = Field(
        default=1_280, ge=4, le=16_384, description="Most visual tokens of an image for `gme`. More tokens cost more time."
    )

    openai_url: str = Field(
        default="", description="Base URL of the server for `caption = openai`, such as https://models.example/v1."
    )
    openai_model: str = Field(default="", description="Name of the model on that server.")
    openai_key: BearerKey | None = Field(default=None, description="Bearer key for that server. Empty: it needs none.")
    openai_private: bool = Field(default=False, description="`openai_url` may have a private or loopback address.")
    openai_log_probs: bool = Field(
        default=True, description="Ask the server how probable its words are. Without that, every caption is for review."
    )
    openai_requests: int = Field(default=8, ge=1, le=256, description="Most requests that one worker sends there at a time.")
    openai_seconds: float = Field(
        default=30.0, gt=0, le=600, validate_default=True, description="Deadline of one request. Must be less than `job_seconds`."
    )

    deliver_seconds: float = Field(
        default=15.0, gt=0, le=MAX_DELIVER_SECONDS, description="Deadline of one delivery attempt, with the body of the answer."
    )
    deliver_threads: int = Field(default=16, ge=1, le=256, description="Most deliveries that one process sends at the same time.")
    events_url: str = Field(
        default="", description="URL that receives the signed operator events. Empty: events go only to the log and the metrics."
    )
    events_secret: SecretStr | None = Field(default=None, description="The whsec_… secret that signs the operator events.")
    events_private: bool = Field(default=False, description="`events_url` may have a private or loopback address.")

    retention_days: Days = Field(
        default=90,
        description="How long ended jobs, deliveries, attempts and cached predictions stay in the ledger.",
    )
    audit_days: Days = Field(default=730, description="How long the audit log of what operators did stays in the ledger.")

    metrics_host: str = Field(default="127.0.0.1", description="Address that `metrics_port` listens on.")
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of a process's metrics and probes. `tagger up` gives each worker the "
        "next port, from this one on. 0: none.",
    )
    flower_password: SecretStr | None = Field(
        default=None,
        description="Password of Flower's pages, for the user `tagger`. Without it, Flower listens on the loopback address only.",
    )
    trace_url: str = Field(default="", description="OTLP/HTTP address, e.g. http://collector:4318/v1/traces. Empty: no traces.")
    trace_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of the traces that are kept, from 0 to 1.")
    log_file_bytes: int = Field(
        default=16 * MIB,
        ge=64 * 1024,
        description="A log file of `tagger up` is rotated at this size. Two older files stay.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest level that is logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="Format of a log line.")

    @field_validator("blob_url")
    @classmethod
    def of_a_bucket(cls, url: str) -> str:
        if url:
            bucket_and_prefix(url)
        return url

    @field_validator("broker_url", "events_url", "s3_endpoint", "openai_url", "trace_url")
    @classmethod
    def readable(cls, url: str, info: ValidationInfo) -> str:
        check_url(url, BROKER_SCHEMES if info.field_name == "broker_url" else HTTP_SCHEMES)
        return url

    @field_validator("openai_seconds")
    @classmethod
    def within_a_job(cls, seconds: float, info: ValidationInfo) -> float:
        job = info.data.get("job_seconds")  # absent: it is refused itself
        if info.data.get("caption") == "openai" and job is not None and seconds >= job:
            raise ValueError(f"{seconds:g} must be less than job_seconds ({job:g}), or the job ends before the request does")
        return seconds

    @field_validator("ledger_password", "broker_password")
    @classmethod
    def given_once(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        url = str(info.data.get(str(info.field_name).replace("password", "url"), ""))
        if password is not None and has_password(url):
            raise ValueError("the URL holds a password, too; give only one of them")
        return password

    @property
    def ledger(self) -> str:
        return opened(self.ledger_url, self.ledger_password) or f"sqlite:///{quote(str(self.home / 'ledger.sqlite'))}"

    @property
    def broker(self) -> str:
        return opened(self.broker_url, self.broker_password) or broker_socket_url(self.home)

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


def child_env(settings: Settings, env: Mapping[str, str] | None = None, *, role: str = "") -> dict[str, str]:
    """The environment of a child process that is to have exactly these settings: none of the caller's own `TAGGER_*` go along.

    Otherwise a `TAGGER_CONFIG` that names the production ledger would be read again by the children of a demo. A secret goes
    only to the role that needs it: a worker opens strangers' pictures, and its environment can be read by others of its user.
    """
    variables = {name: text for name, text in to_env(settings).items() if is_needed(role, name)}
    return {**plain_env(env), **variables}


def plain_env(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program that is to know nothing of our settings, such as the broker."""
    env = os.environ if env is None else env
    return {name: text for name, text in env.items() if not name.startswith(ENV_PREFIX)}


def load(env: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Defaults, then the file, then the environment, then `overrides` (command-line options; None means not given).

    Errors: SettingsError that names each bad or unknown key and where it came from.
    """
    env = read_files(environment.settings_in(os.environ if env is None else env), Settings.model_fields.keys() - {"home"})
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if overrides.get("home") is None and env.get(ENV_PREFIX + "HOME") == "":
        raise SettingsError("TAGGER_HOME is empty.", "Unset it, or name a folder.")
    home = usable_home(Path(overrides.get("home") or env.get(ENV_PREFIX + "HOME") or Settings.model_fields["home"].default))
    file = Path(env[CONFIG_ENV]) if env.get(CONFIG_ENV) else home / "tagger.toml"
    if os.path.lexists(file) and not os.path.isfile(file):  # a FIFO would be waited for, and a folder be passed over
        kind = "a folder" if os.path.isdir(file) else "no plain file"
        raise SettingsError(f"{file} is {kind}; the settings are read from a file.", "Move it away, or put a file there.")
    if os.path.isfile(file):  # False for a path that is too long, where Path.is_file raises
        try:
            table = tomllib.loads(file.read_text("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as err:
            raise SettingsError(f"{file}: {err}") from err
        if "home" in table:
            raise SettingsError(f"{file}: home: set it with --home or TAGGER_HOME, because this file is in the home.")
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
        settings = Settings(**values)
    except ValidationError as err:
        raise SettingsError("; ".join(_complaint(e, origin) for e in err.errors())) from None
    fitting = {} if "max_batch" in origin else {"max_batch": fitting_batch(settings.threads, settings.max_batch)}
    return settings.model_copy(update=fitting)  # one that was given stays: `tagger doctor` says that it does not fit


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
