"""`manage.py tagger send | describe | status`."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wagtail_tagger import library, outbox, pictures, review
from wagtail_tagger.conf import config
from wagtail_tagger.models import Picture


class Command(BaseCommand):
    help = "Sends what waits for tagger, asks for texts, and says how things stand."

    def add_arguments(self, parser: Any) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        send = what.add_parser("send", help="Send what is due. Let cron call it each minute.")
        send.add_argument("--now", action="store_true", help="Also what failed and waits for its next attempt.")
        send.add_argument("--forever", action="store_true", help="Go on, and look every second.")
        describe = what.add_parser("describe", help="Ask tagger for the texts of these pictures.")
        describe.add_argument("keys", nargs="*", help="Primary keys of pictures.")
        describe.add_argument("--missing", action="store_true", help="All pictures whose alt text was never set.")
        describe.add_argument("--dry-run", action="store_true", help="Only say how many pictures these are.")
        what.add_parser("status", help="How many pictures are in which state, and what waits to be sent.")

    def handle(self, *_: Any, what: str, **options: Any) -> None:
        if what != "status" and not config().ready:
            raise CommandError("TAGGER has no URL, SITE and HOOK_SECRET.")
        if what == "send":
            if options["now"]:
                outbox.all_due()
            self._send(forever=options["forever"])
        elif what == "describe":
            self._describe(options)
        else:
            self._status()

    def _send(self, *, forever: bool) -> None:
        sent = outbox.flush()
        while forever:
            time.sleep(1)
            sent = outbox.flush()
        self.stdout.write(f"{sent} sent, {outbox.status()['waiting']} waiting")

    def _describe(self, options: dict[str, Any]) -> None:
        keys = list(options["keys"])
        if options["missing"]:
            keys += [pictures.key_of(pk) for pk in library.chosen({"missing": ["alt_text"]}).values_list("pk", flat=True)]
        if not options["dry_run"]:
            for key in keys:
                review.describe(key)
        self.stdout.write(f"{len(keys)} pictures" + (" would be described" if options["dry_run"] else " are announced"))

    def _status(self) -> None:
        for state in Picture.STATES:
            self.stdout.write(f"{state:8} {Picture.objects.filter(state=state).count()}")
        status = outbox.status()
        self.stdout.write(f"to send  {status['waiting']}" + (f" (last error: {status['error']})" if status["error"] else ""))
