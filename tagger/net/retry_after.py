"""How long a server asks to be left alone."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from tagger.delivery import MAX_RETRY_AFTER_MS


def retry_after_ms(text: str, now_s: float) -> int | None:
    """Milliseconds that a Retry-After asks for, in either of its two forms, at most a day; None if it is not understood."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,10}", text):
        wait = int(text) * 1000
    else:
        try:
            when = parsedate_to_datetime(text)
            # An HTTP-date is in GMT; a date without a zone is taken for that.
            wait = round((when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now_s) * 1000)
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return None
    return min(max(wait, 0), MAX_RETRY_AFTER_MS)
