"""The variables `TAGGER_*` of an environment that are settings, as their writer meant them."""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "TAGGER_"
PATHS = frozenset({"HOME", "CONFIG", "BLOB_DIR", "MODEL_DIR", "MODEL_MIRROR"})  # a name of a folder may end in a blank

# What Kubernetes (and Docker's links) put into every container beside a service whose name begins with `tagger`:
# a service `tagger-api` gives TAGGER_API_SERVICE_HOST, TAGGER_API_SERVICE_PORT_HTTP, TAGGER_API_PORT=tcp://10.0.0.1:80,
# TAGGER_API_PORT_80_TCP_ADDR and more. A variable is passed over only if both its name and its value have that form.
ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:[0-9]+")
INJECTED: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"TAGGER_(\w+_)?SERVICE_HOST"), re.compile(r"[0-9a-fA-F.:]+")),
    (re.compile(r"TAGGER_(\w+_)?SERVICE_PORT(_\w+)?"), re.compile(r"[0-9]+")),
    (re.compile(r"TAGGER_(\w+_)?PORT(_[0-9]+_(TCP|UDP|SCTP))?"), ADDRESS),
    (re.compile(r"TAGGER_(\w+_)?PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp")),
    (re.compile(r"TAGGER_(\w+_)?PORT_[0-9]+_(TCP|UDP|SCTP)_PORT"), re.compile(r"[0-9]+")),
    (re.compile(r"TAGGER_(\w+_)?PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR"), re.compile(r"[0-9a-fA-F.:]+")),
)


def settings_in(env: Mapping[str, str]) -> dict[str, str]:
    """Name → text, without the white space around it: a secret that comes out of a file often ends in a line break."""
    ours = {name: text for name, text in env.items() if name.startswith(PREFIX) and not is_injected(name, text)}
    return {name: text.strip("\r\n") if name.removeprefix(PREFIX) in PATHS else text.strip() for name, text in ours.items()}


def is_injected(name: str, text: str) -> bool:
    """Whether an orchestrator wrote this variable, and not a person."""
    return any(names.fullmatch(name) and values.fullmatch(text) for names, values in INJECTED)
