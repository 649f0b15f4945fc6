"""What is announced, and what becomes of a row of the outbox."""

from __future__ import annotations

import io
import json
import threading
from http.client import BadStatusLine, IncompleteRead
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from unittest import mock

from django.conf import settings
from django.core.files.images import ImageFile
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.test import override_settings
from django.utils import timezone

from tests.base import Case, png
from wagtail_tagger import outbox, pictures, review, sender
from wagtail_tagger.conf import config
from wagtail_tagger.models import Message, Picture


class Tagger:
    """Answers each request with `status`, and keeps what was asked."""

    def __init__(self) -> None:
        self.status, self.asked = 202, list[tuple[str, str, Any]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.command, self.path, json.loads(body) if body[:1] == b"{" else body))
                answer = json.dumps({"detail": "No.", "remedy": "Never."}).encode()
                self.send_response(outer.status)
                self.send_header("Location", "http://elsewhere.test/")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class OutboxTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tagger = Tagger()
        self.addCleanup(self.tagger.stop)
        self.use()

    def use(self, **more: Any) -> None:
        changed = override_settings(TAGGER={**settings.TAGGER, "URL": self.tagger.url, **more})
        changed.enable()
        self.addCleanup(changed.disable)

    def due(self) -> None:
        Message.objects.update(due_at=timezone.now())

    def test_an_upload_and_its_announcement_are_committed_together(self) -> None:
        key = self.upload("upload.png")
        [message] = self.waiting()
        self.assertEqual((message.kind, message.key, self.picture(key).state), ("asset.created", key, "waiting"))
        with self.assertRaises(RuntimeError), transaction.atomic():
            self.upload("taken-back.png")
            raise RuntimeError
        with mock.patch("wagtail_tagger.models.Message.objects.create", side_effect=DatabaseError("full")), self.assertLogs():
            self.upload("not-noted.png")  # the person's upload does not fail because of tagger
        self.assertEqual((len(self.waiting()), pictures.rows().count()), (1, 2))

    def test_a_new_file_is_a_new_version_and_a_save_is_none(self) -> None:
        key = self.upload()
        outbox.flush()
        row = pictures.find(key)
        row.save()
        self.assertEqual(self.waiting(), [])
        setattr(row, config().file, ImageFile(io.BytesIO(png()), name="b.png"))
        row.save()
        outbox.flush()
        first, second = (body["data"]["asset"] for _, _, body in self.tagger.asked)
        self.assertEqual([body["type"] for _, _, body in self.tagger.asked], ["asset.created", "asset.updated"])
        self.assertNotEqual(first["revision"], second["revision"])
        self.assertTrue(second["image"]["url"].startswith("http://testserver/media/"), second)

    def test_the_commit_sends_and_nobody_waits(self) -> None:
        self.use(SEND_ON_COMMIT=True)
        with mock.patch("wagtail_tagger.outbox.wake") as wake:
            with transaction.atomic():
                self.upload()
                self.assertEqual(wake.call_count, 0)
            self.assertGreaterEqual(wake.call_count, 1)

    def test_while_tagger_is_away_rows_wait_and_a_broken_one_holds_up_nobody(self) -> None:
        self.tagger.status = 503
        keys = [self.upload(f"{number}.png") for number in range(5)]
        self.assertEqual((outbox.flush(), len(self.tagger.asked)), (0, outbox.FAILURES))
        self.assertEqual(outbox.status(), {"waiting": 5, "error": "No. Never."})
        self.tagger.status = 202
        self.assertEqual(outbox.flush(), 2, "what failed waits for its next attempt")
        with mock.patch("sys.stdout"):
            call_command("tagger", "send", "--now")
        self.assertEqual(self.waiting(), [])
        self.assertEqual({asked[2]["data"]["asset"]["id"] for asked in self.tagger.asked}, set(keys))

    def test_what_tagger_will_never_take_is_shown_as_failed(self) -> None:
        for status, left in ((422, 0), (302, 1)):
            self.tagger.status = status
            key = self.upload(f"{status}.png")
            with self.assertLogs("wagtail_tagger.outbox", "WARNING") if not left else self.subTest():
                outbox.flush()
            self.assertEqual(len(self.waiting()), left)
            self.assertEqual(self.picture(key).state, "waiting" if left else "failed")
        self.assertEqual({path for _, path, _ in self.tagger.asked}, {"/v1/hooks/tests"}, "a redirect is not followed")

    def test_the_rows_of_a_picture_keep_their_order_and_one_process_takes_each(self) -> None:
        key = self.upload()
        self.edit(key, "Tibby")
        first = outbox._claim()
        self.assertEqual(first.kind, "asset.created")
        self.assertIsNone(outbox._claim(), "the edit waits for the upload, which another process has")
        Message.objects.filter(pk=first.pk).delete()
        self.assertEqual(outbox._claim().kind, "asset.edited")

    def test_the_bytes_are_sent_where_tagger_cannot_reach_the_site(self) -> None:
        self.use(SEND_BYTES=True, API_KEY="key")
        key = self.upload("private.png")
        self.assertEqual(outbox.flush(), 1)
        [(method, path, body)] = self.tagger.asked
        self.assertEqual((method, body[:4]), ("PUT", b"\x89PNG"))
        self.assertTrue(path.startswith(f"/v1/assets/{key}/image?revision="), path)
        self.assertIn("locale=en&field=alt_text", path)

    def test_a_file_that_cannot_be_read_ends_as_failed(self) -> None:
        self.use(SEND_BYTES=True, RENDITION="")
        key = self.upload("lost.png")
        file = getattr(pictures.find(key), config().file)
        file.storage.delete(file.name)
        with self.assertLogs("wagtail_tagger.outbox", "WARNING"):
            for _ in range(sender.READS):
                self.due()
                outbox.flush()
        self.assertEqual((self.waiting(), self.picture(key).state, self.tagger.asked), ([], "failed", []))

    def test_a_storage_with_errors_of_its_own_holds_up_nobody(self) -> None:
        class SlowDown(Exception):
            pass

        self.use(SEND_BYTES=True, API_KEY="key", RENDITION="")
        lost, found = self.upload("lost.png"), self.upload("found.png")
        opened = FileSystemStorage._open

        def failing(own: Any, name: str, mode: str = "rb") -> Any:
            if "lost" in name:
                raise SlowDown("503")
            return opened(own, name, mode)

        with mock.patch.object(FileSystemStorage, "_open", failing), self.assertLogs("wagtail_tagger.sender", "WARNING"):
            self.assertEqual(outbox.flush(), 1)
        [message] = self.waiting()
        self.assertEqual((message.key, message.error), (lost, "The file cannot be read: SlowDown: 503"))
        self.assertIn(f"/v1/assets/{found}/image", self.tagger.asked[0][1])

    def test_an_answer_that_is_no_http_is_tried_again(self) -> None:
        self.upload()
        broken = (BadStatusLine("?"), IncompleteRead(b""))
        for error in broken:
            self.due()
            with mock.patch("urllib.request.OpenerDirector.open", side_effect=error):
                self.assertEqual(outbox.flush(), 0)
            self.assertIn("cannot be reached", self.waiting()[0].error)
        self.tagger.status = 503
        self.due()
        with mock.patch("urllib.error.HTTPError.read", side_effect=IncompleteRead(b""), create=True):
            self.assertEqual((outbox.flush(), self.waiting()[0].error), (0, "HTTP 503"))

    def test_drawings_are_not_announced(self) -> None:
        key = self.upload("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
        self.assertEqual((self.waiting(), self.picture(key).state), ([], ""))

    def test_the_command(self) -> None:
        with mock.patch("sys.stdout"):
            key = self.upload()
            call_command("tagger", "send")
            call_command("tagger", "describe", "--missing", "--dry-run")
            self.assertEqual(self.waiting(), [])
            call_command("tagger", "describe", "--missing")
            call_command("tagger", "status")
        [message] = self.waiting()
        outbox.flush()
        revisions = [body["data"]["asset"]["revision"] for _, _, body in self.tagger.asked]
        self.assertEqual((message.kind, message.key), ("asset.updated", key))
        self.assertTrue(revisions[1].startswith(revisions[0] + "+"), "it is described although this version was before")

    def test_a_proposal_is_a_persons_decision(self) -> None:
        keys = [self.upload(f"{number}.png") for number in range(3)]
        offer = {"value": "Cat in a box", "score": 0.41, "model": "m@1", "reasons": ["low_score"]}
        for key in keys:
            self.describe(key, proposals={"alt_text": {"en": offer}}, reasons=["low_score"])
            self.assertEqual((self.alt(key), self.picture(key).state), ("", "review"))
        place = ("alt_text", "en")
        self.assertFalse(review.accept(keys[0], place, "Something else", "Something else"), "it is not what stands there")
        with self.assertRaises(review.TooLong):
            review.accept(keys[0], place, "Cat in a box", "x" * (config().longest(place) + 1))
        self.assertEqual((self.alt(keys[0]), self.picture(keys[0]).state), ("", "review"))
        self.assertTrue(review.accept(keys[0], place, "Cat in a box", "Cat in a box"))
        self.assertTrue(review.accept(keys[1], place, "Cat in a box", "Tibby in her box"))
        review.reject(keys[2], place)
        self.assertEqual([self.alt(key) for key in keys], ["Cat in a box", "Tibby in her box", ""])
        self.assertEqual({picture.state for picture in Picture.objects.all()}, {""})
        self.assertEqual([self.outcome(key, "A dog", ours=("Cat in a box",)) for key in keys], ["kept"] * 3)
        self.assertEqual(len(self.waiting("asset.edited")), 3)
