"""`python -m tagger.telemetry.probe [PATH [PORT]]`: ask a process of this machine whether it is well; for containers.

Exit 0: well · 1: not well, or nobody answers. It imports little, because it runs every few seconds.
Without PORT it asks the port of the probes (`TAGGER_METRICS_PORT`). The API's own port says whether the ledger answers, too.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 5.0


def main() -> int:
    path = sys.argv[1] if len(sys.argv) > 1 else "/readyz"
    port = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("TAGGER_METRICS_PORT", "0")
    connection = HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        sys.stdout.write(answer.read(2_000).decode("utf-8", "replace").strip() + "\n")
    except (OSError, HTTPException) as err:
        sys.stdout.write(f"Port {port} does not answer: {err}\n")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
