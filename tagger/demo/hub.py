"""Whether the hub of the large models answers, known within seconds: its own client tries for minutes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping

import requests

HUB = "https://www.modelscope.cn"
SECONDS = 4.0
VARIABLES = ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")  # as ModelScope's client reads them


def address(env: Mapping[str, str] | None = None) -> str:
    env = os.environ if env is None else env
    named = next((env[name] for name in VARIABLES if env.get(name)), HUB).rstrip("/")
    return named if named.startswith(("http://", "https://")) else f"https://{named}"


def unreachable(hub: str, seconds: float) -> str | None:
    """A sentence why the hub cannot be used; None if it answers."""
    found: list[str | None] = []
    # In a thread, because a name that no server resolves may block for longer than any limit of a request.
    asking = threading.Thread(target=lambda: found.append(_asked(hub, seconds)), name="hub", daemon=True)
    asking.start()
    asking.join(seconds)
    why = found[0] if found else _silent(seconds)
    return None if why is None else f"The model hub {hub} cannot be reached: {why}."


def _asked(hub: str, seconds: float) -> str | None:
    try:
        with requests.get(hub, stream=True, timeout=seconds, allow_redirects=False) as answer:
            return f"it answers {answer.status_code}" if answer.status_code >= 500 else None
    except requests.Timeout:
        return _silent(seconds)
    except requests.exceptions.SSLError:
        return "its certificate is not accepted"
    except requests.RequestException:
        return "there is no connection to it"


def _silent(seconds: float) -> str:
    return f"no answer in {seconds:g} s"


def main() -> int:
    """0: the hub answers, or a mirror stands in for it. The Makefile asks before it installs torch."""
    return 0 if os.environ.get("TAGGER_MODEL_MIRROR") or unreachable(address(), SECONDS) is None else 1


if __name__ == "__main__":
    sys.exit(main())
