"""Messages of tagger, for each kind of image model."""

from __future__ import annotations

import unittest
import uuid
from unittest import mock

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.test import override_settings

from tests.base import Case
from wagtail_tagger import pictures, review, signature, words
from wagtail_tagger.conf import config
from wagtail_tagger.models import Picture, Tag, Word

OTHER = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="


class MessagesTest(Case):
    def test_a_text_is_written_once_and_what_it_replaced_is_told_again(self) -> None:
        key = self.upload()
        first = self.describe(key, "A cat", sequence=5, delivery="d5")["fields"]["alt_text"]["en"]
        self.assertEqual(first, {"outcome": "written", "value": "A cat", "previous": None})
        again = self.describe(key, "A cat", sequence=5, delivery="d5")["fields"]["alt_text"]["en"]
        self.assertEqual(again, {"outcome": "unchanged", "value": "A cat", "previous": None})
        self.assertEqual((self.alt(key), self.picture(key).state), ("A cat", "written"))

    def test_an_older_message_is_refused_with_the_number_of_the_last(self) -> None:
        key = self.upload()
        self.describe(key, "A cat", sequence=5, delivery="d5")
        late = {"outcome": "rejected", "reason": "stale_sequence", "sequence": 5}
        self.assertEqual(self.describe(key, "A dog", ours=("A cat",), sequence=5)["fields"]["alt_text"]["en"], late)
        self.assertEqual(self.describe(key, sequence=4), {"fields": {}, **late})
        self.assertEqual(self.alt(key), "A cat")

    def test_what_an_editor_wrote_or_emptied_stays_and_tagger_is_told(self) -> None:
        key = self.upload()
        self.describe(key, "A cat")
        self.edit(key, "Tibby")
        self.assertEqual(self.outcome(key, "A dog", ours=("A cat",)), "kept")
        self.edit(key, "A cat")  # tagger's words, but now a person chose them
        self.assertEqual(self.outcome(key, "A dog", ours=("A cat",)), "kept")
        self.edit(key, "")
        self.assertEqual(self.outcome(key, "A dog", ours=("A cat",)), "kept")
        self.assertEqual(self.alt(key), "")
        told = [message.data["fields"]["alt_text"]["en"] for message in self.waiting("asset.edited")]
        self.assertEqual([one["value"] for one in told], ["Tibby", "A cat", ""])
        self.assertEqual(told[0]["was"], words.hash_of("A cat"))

    def test_a_text_that_a_program_changed_past_the_app_stays_too(self) -> None:
        key = self.upload()
        self.describe(key, "A cat")
        pictures.of(key).update(**{config().texts["alt_text", "en"]: ""})
        self.assertEqual(self.outcome(key, "A dog", ours=("A cat",)), "kept")

    def test_a_save_of_other_fields_does_not_put_back_old_words(self) -> None:
        key = self.upload()
        opened = pictures.find(key)
        self.describe(key, "A cat")
        opened.save()
        self.assertEqual(self.alt(key), "A cat")
        self.assertEqual(self.waiting("asset.edited"), [])
        self.assertEqual(self.outcome(key, "A dog", ours=("A cat",)), "written", "it is still tagger's")

    def test_an_instance_that_is_read_again_counts_as_read_then(self) -> None:
        key = self.upload()
        row = pictures.find(key)
        self.describe(key, "A cat")
        row.refresh_from_db()
        row.save()
        self.assertEqual(self.waiting("asset.edited"), [])

    def test_markup_is_not_stored_and_the_answer_says_what_is(self) -> None:
        key = self.upload()
        said = self.describe(key, "Sign <script>alert(1)</script> of the <b>shop</b>\nwith 5 < 7")["fields"]["alt_text"]["en"]
        self.assertEqual((said["value"], self.alt(key)), ("Sign of the shop with 5 < 7",) * 2)

    def test_a_text_that_is_too_long_for_the_column_is_refused(self) -> None:
        longest = config().longest(("alt_text", "en"))
        said = self.describe(self.upload(), "x" * (longest + 1))["fields"]["alt_text"]["en"]
        self.assertEqual(said, {"outcome": "rejected", "reason": "too_long"})

    def test_unknown_fields_languages_and_pictures(self) -> None:
        key = self.upload()
        offer = {"value": "x", "if_current": {"in": [None]}}
        said = self.describe(key, fields={"price": {"en": offer}, "alt_text": {"fr": offer, "en-GB": offer}})["fields"]
        self.assertEqual(said["price"]["en"]["reason"], "unknown_field")
        self.assertEqual(said["alt_text"]["fr"]["reason"], "unknown_locale")
        self.assertEqual(said["alt_text"]["en-GB"]["outcome"], "written")
        for gone in ("987654", "no key", "", "٣"):
            self.assertEqual(self.outcome(gone, "A cat"), "gone")

    def test_an_undo_puts_back_only_what_tagger_wrote(self) -> None:
        key = self.upload()
        self.describe(key, "A cat")
        undo = {"alt_text": {"en": {"value": None, "if_current": {"in": [words.hash_of("A cat")]}}}}
        said = self.describe(key, kind="asset.reverted", fields=undo)["fields"]["alt_text"]["en"]
        self.assertEqual(said, {"outcome": "written", "value": None})
        self.assertEqual(self.outcome(key, "A dog"), "written", "as if it was never set")
        long = {"value": "x" * 999, "if_current": {"in": [words.hash_of("A dog")]}}
        said = self.describe(key, kind="asset.reverted", fields={"alt_text": {"en": long}})["fields"]["alt_text"]["en"]
        self.assertEqual(said, {"outcome": "rejected", "reason": "too_long"})
        self.edit(key, "Tibby")
        self.assertEqual(self.describe(key, kind="asset.reverted", fields=undo)["fields"]["alt_text"]["en"]["outcome"], "kept")

    def test_a_locked_picture_is_left_alone(self) -> None:
        key = self.upload()
        review.set_locked(key, True)
        self.assertEqual(self.describe(key, "A cat")["fields"]["alt_text"]["en"], words.LOCKED)
        review.set_locked(key, False)
        self.assertEqual(self.outcome(key, "A cat"), "written")

    def test_another_spelling_of_the_key_is_the_same_picture(self) -> None:
        key = self.upload()
        self.describe(key, "A cat")
        self.edit(key, "")
        other = str(uuid.UUID(key)) if settings.KIND == "plain" else f"0{key}"
        self.assertEqual(self.outcome(other, "A dog", ours=("A cat", "")), "kept")
        review.set_locked(other, True)
        self.assertEqual(self.describe(other, "A dog")["fields"]["alt_text"]["en"], words.LOCKED)
        review.describe(other)
        row = pictures.find(key)
        row.pk = str(uuid.UUID(key)) if settings.KIND == "plain" else row.pk
        row.save()
        self.assertEqual([picture.key for picture in Picture.objects.all()], [key])
        self.assertEqual({message.key for message in self.waiting()}, {key})
        for gone in ("9" * 40, "9" * 5000):
            self.assertEqual(self.outcome(gone, "A cat"), "gone")
            self.assertEqual(self.post("library.page", {"ids": [gone]}).json()["data"], [])

    def test_a_failure_is_shown(self) -> None:
        key = self.upload()
        self.describe(
            key, kind="asset.failed", error={"code": "image_unreadable", "detail": "It is HTML.", "remedy": "Send JPEG."}
        )
        self.assertEqual((self.picture(key).state, self.picture(key).told["error"]["detail"]), ("failed", "It is HTML."))

    def test_who_may_send(self) -> None:
        key = self.upload()
        data = {"asset": {"id": key}, "sequence": 1, "fields": {}}
        self.assertEqual(self.post("asset.described", data, secret=OTHER).status_code, 401)
        self.assertEqual(self.post("asset.described", data, age=301).status_code, 401)
        self.assertEqual(self.client.post("/tagger/messages", b"{}", content_type="application/json").status_code, 401)
        self.assertEqual(self.client.get("/tagger/messages").status_code, 405)
        self.assertEqual(self.post("asset.described", {"asset": {}}).status_code, 422)
        self.assertEqual(self.post("asset.praised", {}).status_code, 204)
        with override_settings(TAGGER={**settings.TAGGER, "CALLBACK_SECRETS": [OTHER, settings.SECRET]}):
            self.assertEqual(self.post("webhook.test", {}).status_code, 204, "two secrets during a rotation")

    def test_a_secret_that_anybody_could_guess_is_refused_at_the_start(self) -> None:
        for secret in ("whsec_", "whsec_c2hvcnQ=", "whsec_…", "whsec_A", "…"):
            for name, given in (("HOOK_SECRET", secret), ("CALLBACK_SECRETS", [settings.SECRET, secret])):
                with override_settings(TAGGER={**settings.TAGGER, name: given}), self.assertRaises(ImproperlyConfigured) as found:
                    config()
                self.assertIn(name, str(found.exception))
            self.assertFalse(signature.valid([secret], "m", "1", "v1,x", b"", 1.0))
        with override_settings(TAGGER={**settings.TAGGER, "CALLBACK_SECRETS": [""], "HOOK_SECRET": ""}):
            self.assertEqual((config().callback_secrets, config().ready), ((), False))

    def test_a_stamp_that_is_no_time_is_refused(self) -> None:
        for stamp in ("1" * 5000, "-1", "", "٣", "1e9", "9" * 13):
            told = {"webhook-id": "a", "webhook-timestamp": stamp, "webhook-signature": "v1,x"}
            answer = self.client.post("/tagger/messages", b"{}", content_type="application/json", headers=told)
            self.assertEqual(answer.status_code, 401, stamp[:20])

    @unittest.skipIf(django.VERSION < (5, 1), "Django 5.1 brought the middleware")
    def test_the_middleware_that_asks_for_a_login_lets_tagger_in(self) -> None:
        asks = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, asks], LOGIN_URL="/login/"):
            self.assertEqual(self.post("site.probe", {}).status_code, 200)

    def test_a_database_that_fails_is_answered_503_and_nothing_is_written(self) -> None:
        key = self.upload()
        data = {"asset": {"id": key}, "sequence": 1, "fields": {"alt_text": {"en": {"value": "x", "if_current": {"in": [None]}}}}}
        with mock.patch("wagtail_tagger.review.show", side_effect=DatabaseError("full")):
            self.assertEqual(self.post("asset.described", data).status_code, 503)
        self.assertEqual((self.alt(key), self.picture(key).sequence, Word.objects.count()), ("", 0, 0))

    def test_the_library_says_who_wrote(self) -> None:
        ours, theirs, empty = sorted(self.upload(f"{name}.png") for name in "abc")
        self.describe(ours, "A cat")
        self.edit(theirs, "Tibby")
        page = self.post("library.page", {"limit": 2}).json()
        rest = self.post("library.page", {"limit": 2, "cursor": page["next_cursor"]}).json()
        self.assertEqual((page["total"], rest["next_cursor"]), (3, None))
        found = {asset["id"]: asset["fields"]["alt_text"]["en"] for asset in page["data"] + rest["data"]}
        self.assertEqual(found[ours], {"value": "A cat", "writer": "tagger"})
        self.assertEqual(found[theirs], {"value": "Tibby", "writer": "person"})
        self.assertEqual(found[empty], {"value": None, "writer": "unknown"})
        chosen = self.post("library.page", {"ids": [ours, empty, "no key"], "missing": ["alt_text"]}).json()
        self.assertEqual([asset["id"] for asset in chosen["data"]], [empty])
        self.assertEqual(self.post("library.page", {"since": "2100-01-01T00:00:00Z"}).json()["data"], [])
        self.assertEqual(len(self.post("library.page", {"since": "2020-01-01T00:00:00Z"}).json()["data"]), 3)

    def test_the_probe_says_what_this_site_can_do(self) -> None:
        can = self.post("site.probe", {}).json()
        self.assertEqual((can["strict"], can["locales"]), (True, ["en"]))
        self.assertEqual(can["cms"], "Wagtail" if settings.KIND == "wagtail" else can["cms"])
        self.assertIn("alt_text", can["fields"])


@unittest.skipUnless(settings.KIND == "wagtail", "tags come by django-taggit")
class TagsTest(Case):
    def tags(self, key: str, *add: str, remove: tuple[str, ...] = ()) -> dict:
        offer = {"add": [{"id": f"t:{label.lower()}", "label": label} for label in add], "remove": [f"t:{r}" for r in remove]}
        return self.describe(key, fields={"tags": offer})["fields"]["tags"]

    def labels(self, key: str) -> list[str]:
        return sorted(tag.name for tag in pictures.find(key).tags.all())

    def test_tags_are_put_on_once_and_only_taggers_are_taken_off(self) -> None:
        key = self.upload()
        pictures.find(key).tags.add("Coffee")
        said = self.tags(key, "coffee", "cup")
        self.assertEqual((said["outcome"], said["added"]), ("written", ["t:cup"]))
        self.assertEqual(self.labels(key), ["Coffee", "cup"])
        said = self.tags(key, remove=("coffee", "cup"))
        self.assertEqual((said["removed"], self.labels(key)), (["t:cup"], ["Coffee"]))

    def test_a_tag_that_an_editor_took_off_is_not_put_on_again(self) -> None:
        key = self.upload()
        self.tags(key, "cat", "sofa")
        pictures.find(key).tags.set(["sofa", "Tibby"])
        self.assertEqual(self.tags(key, "cat", "sofa")["added"], ["t:sofa"])
        self.assertEqual(self.labels(key), ["Tibby", "sofa"])
        told = {what: labels for m in self.waiting("asset.edited") for what, labels in m.data["fields"]["tags"].items()}
        self.assertEqual(told, {"removed": ["cat"], "added": ["Tibby"]})

    def test_tags_that_vanished_without_a_signal_stay_off(self) -> None:
        key = self.upload()
        self.tags(key, "cat")
        pictures.find(key).tags.through.objects.all().delete()
        self.assertEqual(self.tags(key, "cat")["added"], [])
        pictures.find(key).tags.add("dog")
        pictures.find(key).tags.clear()
        self.assertEqual(self.tags(key, "dog")["added"], [], "a person took it off")
        self.assertEqual(Tag.objects.get(term="t:cat").writer, "tagger")

    def test_a_tag_that_an_editor_typed_and_took_off_before_tagger_spoke_stays_off(self) -> None:
        key = self.upload()
        pictures.find(key).tags.add("Cat", "sofa")
        pictures.find(key).tags.remove("Cat")
        pictures.find(key).tags.add("Cat")
        pictures.find(key).tags.remove("Cat")
        said = self.tags(key, "cat", "sofa", "dog")
        self.assertEqual((said["added"], self.labels(key)), (["t:dog"], ["dog", "sofa"]))
        pictures.find(key).tags.remove("dog")
        offer = {"add": [{"id": "u:hound", "label": "Dog"}, {"id": "u:cat", "label": "cat"}], "remove": []}
        self.assertEqual(self.describe(key, fields={"tags": offer})["fields"]["tags"]["added"], [], "by another term")
        self.assertEqual(self.labels(key), ["sofa"])

    def test_a_deleted_picture_is_forgotten(self) -> None:
        key = self.upload()
        self.tags(key, "cat")
        pictures.find(key).delete()
        self.assertEqual((Picture.objects.count(), Tag.objects.count()), (0, 0))
        self.assertEqual([message.kind for message in self.waiting()], ["asset.deleted"])
