"""What an editor sees and does in the Wagtail admin."""

from __future__ import annotations

import unittest
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from tests.base import Case, png
from wagtail_tagger import pictures, review
from wagtail_tagger.checks import settings_are_whole
from wagtail_tagger.conf import config

OFFER = {"value": "Cat in a <box>", "score": 0.41, "model": "ofa@1", "reasons": ["low_score"]}


if settings.KIND == "wagtail":
    from django.contrib.auth.models import User
    from wagtail.models import Collection


@unittest.skipUnless(settings.KIND == "wagtail", "this is Wagtail's admin")
class AdminTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.client.force_login(User.objects.create_superuser("editor"))
        self.key = self.upload()

    def assertInPage(self, part: str, page: str) -> None:
        self.assertTrue(part in page, f"{part!r} is not in the page")

    def page(self) -> str:
        answer = self.client.get(f"/admin/images/{self.key}/")
        self.assertEqual(answer.status_code, 200)
        self.form = answer.context["form"]
        return answer.content.decode()

    def save(self, **changed: str) -> None:
        """Posts the form as it was opened, with these changes."""
        fields = {name: self.form[name].value() for name in self.form.fields if name not in ("file", "tags")}
        tags = ", ".join((self.form["tags"].value() and [tag.name for tag in self.form["tags"].value()]) or [])
        posted = {name: "" if value is None else value for name, value in fields.items()}
        answer = self.client.post(f"/admin/images/{self.key}/", {**posted, "title": "A title", "tags": tags, **changed})
        self.assertEqual(answer.status_code, 302, answer)

    def decide(self, do: str, **more: str) -> str:
        answer = self.client.post(f"/admin/tagger/{self.key}/", {"do": do, **more}, follow=True)
        return answer.content.decode()

    def test_a_form_that_was_opened_before_tagger_wrote_does_not_put_back_old_words(self) -> None:
        self.page()
        tags = {"add": [{"id": "t:cat", "label": "cat"}], "remove": []}
        self.describe(self.key, "A cat", fields={"tags": tags})
        self.save(title="Tibby on the sofa", tags="Tibby")
        row = pictures.find(self.key)
        self.assertEqual((row.title, row.description), ("Tibby on the sofa", "A cat"))
        self.assertEqual(sorted(tag.name for tag in row.tags.all()), ["Tibby", "cat"])
        self.assertEqual([list(message.data["fields"]["tags"]) for message in self.waiting("asset.edited")], [["added"]])

    def test_an_upload_in_the_admin_is_announced_and_its_first_form_is_old_too(self) -> None:
        collection = Collection.objects.get().pk
        file = SimpleUploadedFile("new.png", png(), "image/png")
        posted = {"files[]": file, "title": "New", "collection": collection}
        headers = {"X-Requested-With": "XMLHttpRequest"}
        answer = self.client.post("/admin/images/multiple/add/", posted, headers=headers).json()
        key = str(answer["image_id"])
        self.assertEqual([message.key for message in self.waiting("asset.created")], [self.key, key])
        self.assertInPage("tagger_seen", answer["form"])
        self.describe(key, "A cat")
        names = {"title": "New", "description": "", "tags": "", "collection": collection}
        names |= {"tagger_seen": '{"description": "", "tags": []}'}
        first = {f"image-{key}-{name}": value for name, value in names.items()}
        answer = self.client.post(f"/admin/images/multiple/{key}/", first, headers=headers).json()
        self.assertEqual((answer["success"], self.alt(key)), (True, "A cat"))

    def test_what_an_editor_types_or_empties_in_the_form_is_theirs(self) -> None:
        self.describe(self.key, "A cat")
        self.page()
        self.save(description="")
        self.assertEqual((self.alt(self.key), self.outcome(self.key, "A dog", ours=("A cat",))), ("", "kept"))

    def test_the_panel_shows_a_proposal_with_its_score_and_reason_and_takes_the_decision(self) -> None:
        self.describe(self.key, proposals={"alt_text": {"en": OFFER}})
        page = self.page()
        for part in ("Needs review", "Score: 41 %", "tagger is not sure enough.", "Cat in a", "ofa@1"):
            self.assertInPage(part, page)
        edited = {"shown:alt_text|en": "Cat in a", "value:alt_text|en": "Tibby in her box"}
        self.assertInPage("has changed since", self.decide("accept:alt_text|en", **{**edited, "shown:alt_text|en": "Old"}))
        self.assertEqual(self.alt(self.key), "")
        self.decide("accept:alt_text|en", **edited)
        self.assertEqual(self.alt(self.key), "Tibby in her box")
        self.assertFalse("Needs review" in self.page())

    def test_a_proposal_that_is_too_long_for_the_field_is_told_and_not_written(self) -> None:
        longest = config().longest(("alt_text", "en"))
        long = "x" * (longest + 1)
        self.describe(self.key, proposals={"alt_text": {"en": {**OFFER, "value": long}}})
        self.assertInPage(f'maxlength="{longest}"', self.page().partition("tagger-panel-")[2].partition("</textarea>")[0])
        shown = {"shown:alt_text|en": long}
        said = self.decide("accept:alt_text|en", **shown, **{"value:alt_text|en": long})
        self.assertInPage(f"has {longest + 1} characters", said)
        self.assertEqual((self.alt(self.key), self.picture(self.key).state), ("", "review"))
        self.decide("accept:alt_text|en", **shown, **{"value:alt_text|en": " short\r\n\0 "})
        self.assertEqual(self.alt(self.key), "short")

    def test_reject_lock_and_describe_again(self) -> None:
        self.describe(self.key, proposals={"alt_text": {"en": OFFER}})
        self.decide("reject:alt_text|en")
        self.assertEqual(self.outcome(self.key, "A dog"), "kept")
        self.assertInPage("(locked)", self.decide("lock"))
        self.assertInPage("Lock:", self.decide("unlock"))
        self.decide("describe")
        self.assertEqual(self.waiting()[-1].kind, "asset.updated")

    def test_the_report_lists_pictures_by_state_and_takes_decisions(self) -> None:
        self.describe(self.key, proposals={"alt_text": {"en": OFFER}})
        other = self.upload("b.png")
        self.describe(other, "A dog")
        listed = self.client.get("/admin/tagger/?state=review").content.decode()
        self.assertInPage(f"tagger-panel-{self.key}", listed)
        self.assertFalse(f"tagger-panel-{other}" in listed)
        self.assertInPage(f"tagger-panel-{other}", self.client.get("/admin/tagger/").content.decode())
        self.assertInPage("/admin/tagger/", self.client.get("/admin/images/").content.decode())

    def test_nobody_decides_without_the_right_to_change_the_picture(self) -> None:
        from django.contrib.auth.models import Permission

        user = User.objects.create_user("guest")
        user.user_permissions.add(Permission.objects.get(codename="access_admin"))
        self.client.force_login(user)
        with mock.patch.object(review, "set_locked") as set_locked:
            self.client.post(f"/admin/tagger/{self.key}/", {"do": "lock"})
            self.client.logout()
            self.client.post(f"/admin/tagger/{self.key}/", {"do": "lock"})
        self.assertEqual(set_locked.call_count, 0)
        self.assertEqual(self.client.get("/admin/tagger/").status_code, 302)

    def test_search_finds_what_tagger_wrote(self) -> None:
        if not any(getattr(field, "field_name", "") == "description" for field in config().model.search_fields):
            self.skipTest("Wagtail 6.3 does not search the description")
        self.describe(self.key, "Zebra at a waterhole")
        self.assertInPage(f"/admin/images/{self.key}/", self.client.get("/admin/images/?q=zebra").content.decode())

    def test_the_check_names_a_form_that_would_lose_words(self) -> None:
        self.assertEqual(run_checks(), [])
        with override_settings(WAGTAILIMAGES_IMAGE_FORM_BASE="", TAGGER={}):
            found = {str(check.id) for check in run_checks()}
        self.assertEqual(found, {"tagger.W001", "tagger.W002", "tagger.W004"})
        with mock.patch("wagtail_tagger.checks.apps.get_app_configs", return_value=reversed(list(apps.get_app_configs()))):
            self.assertEqual([check.id for check in settings_are_whole()], ["tagger.W005"])
