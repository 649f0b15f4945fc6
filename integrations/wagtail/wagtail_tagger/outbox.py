"""What waits to be sent to tagger. A row is part of the transaction that changed something, and is sent when that is committed.

A thread of the process sends it; `manage.py tagger send`, by cron, sends what is left. A row is claimed by one process: whoever
counts its attempt.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from wagtail_tagger import pictures, sender
from wagtail_tagger.conf import config
from wagtail_tagger.models import Message, Picture

FIRST_WAIT_S, MOST_WAIT_S = 5, 3600
FAILURES = 3  # one after the other: tagger is away, and the others need not try now
PICTURES = ("asset.created", "asset.updated")

log = logging.getLogger(__name__)
_alone = threading.Lock()
_asked = threading.Event()


def add(kind: str, key: str, data: dict[str, Any]) -> None:
    """In the caller's transaction."""
    if not config().ready:
        return
    Message.objects.create(event="evt_" + uuid.uuid4().hex, kind=kind, key=key, data=data)
    if config().send_on_commit:
        transaction.on_commit(wake, using=pictures.database())


def wake() -> None:
    """Sends in a thread, and does not wait for it. One thread in each process."""
    _asked.set()
    threading.Thread(target=_run, name="tagger-outbox", daemon=True).start()


def _run() -> None:
    try:
        while _asked.is_set():
            if not _alone.acquire(blocking=False):
                return  # the thread that holds it looks again
            try:
                _asked.clear()
                flush()
            finally:
                _alone.release()
    except DatabaseError:
        log.exception("tagger: the outbox could not be read; the command `tagger send` tries again")
    finally:
        connections.close_all()


def flush() -> int:
    """Sends what is due. Returns how many went."""
    sent = failed = 0
    while config().ready and failed < FAILURES and (message := _claim()) is not None:
        answer = sender.send(message)
        sent += _settle(message, answer)
        failed = FAILURES if answer.status == 429 else 0 if answer.own else failed + 1
    return sent


def _claim() -> Message | None:
    """A row that is due, counted as tried. What was never tried comes first; the rows of one picture keep their order."""
    earlier = Message.objects.filter(key=OuterRef("key"), pk__lt=OuterRef("pk"))
    due = Message.objects.filter(~Exists(earlier), due_at__lte=timezone.now()).order_by("due_at", "pk")
    while message := due.filter(attempts=0).first() or due.first():
        wait = min(FIRST_WAIT_S * 2 ** min(message.attempts, 10), MOST_WAIT_S)
        wait = max(wait, sender.SECONDS + FIRST_WAIT_S)  # nobody else takes it while it is being sent
        next_at = timezone.now() + timedelta(seconds=wait)
        mine = Message.objects.filter(pk=message.pk, attempts=message.attempts)
        if mine.update(attempts=message.attempts + 1, due_at=next_at):
            message.attempts += 1
            return message
    return None


def _settle(message: Message, answer: sender.Answer) -> int:
    if not answer.done and not answer.final:
        wait = min(FIRST_WAIT_S * 2 ** min(message.attempts - 1, 10), MOST_WAIT_S)
        due_at = timezone.now() + timedelta(seconds=wait)
        Message.objects.filter(pk=message.pk).update(error=answer.error[:500], due_at=due_at)
        return 0
    if not answer.done:
        log.warning("tagger: the message %s of picture %s is refused for good: %s", message.kind, message.key, answer.error)
        if message.kind in PICTURES:
            error = {"code": answer.code, "detail": answer.error, "remedy": ""}
            Picture.objects.filter(key=message.key).update(state="failed", told={"error": error})
    Message.objects.filter(pk=message.pk).delete()
    return int(answer.done)


def all_due() -> None:
    """What failed is tried again now. tagger takes a message that comes twice once."""
    Message.objects.exclude(error="").update(due_at=timezone.now())


def status() -> dict[str, Any]:
    error = Message.objects.exclude(error="").order_by("-pk").values_list("error", flat=True).first()
    return {"waiting": Message.objects.count(), "error": error or ""}
