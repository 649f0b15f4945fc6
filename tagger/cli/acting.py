"""The command line's entries in the audit log: the user of the operating system, and what the command does."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import AbstractContextManager
from typing import Any

from tagger.audit_entry import Action, AuditEntry
from tagger.ledger import Ledger


def audited(ledger: Ledger, action: Action, site: str | None = None, **detail: Any) -> AbstractContextManager[None]:
    """Around the write of an action. Of `detail`, what is None or empty was not asked for."""
    asked = {name: value for name, value in detail.items() if value not in (None, [], "")}
    return ledger.audited(AuditEntry(action=action, actor=actor(), site_id=site, detail=asked))


def actor() -> str:
    """The user whom the kernel names, not one of a variable; behind sudo, also who called it."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return f"cli:{user}{f' (sudo by {behind})' if behind and behind != user else ''}@{socket.gethostname()}"
