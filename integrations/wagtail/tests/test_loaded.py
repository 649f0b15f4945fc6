"""A person's words that are not saved yet are never taken for what the database holds."""

from __future__ import annotations

import copy
import pickle
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from django.conf import settings
from django.db import DatabaseError, transaction

from tests.base import Case
from wagtail_tagger import pictures
from wagtail_tagger.conf import config
from wagtail_tagger.models import Word

OTHER = {"wagtail": "title", "plain": "caption", "filer": "name"}[settings.KIND]


class LoadedTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.key, self.field = self.upload(), config().texts["alt_text", "en"]

    def opened(self, *deferred: str) -> Any:
        return pictures.rows().defer(*deferred).get(pk=pictures.find(self.key).pk)

    def put(self, row: Any, value: str) -> None:
        setattr(row, self.field, value)

    def edited(self, between: Callable[[Any], Any], *deferred: str) -> None:
        """A person edits, something happens, and the edit is saved: it stays, and it is the person's."""
        row = self.opened(*deferred)
        self.put(row, "PERSON")
        between(row)
        row.save()
        self.assertEqual((self.alt(self.key), getattr(row, self.field)), ("PERSON", "PERSON"))
        self.assertEqual([word.writer for word in Word.objects.filter(field="alt_text")], ["person"])
        self.assertEqual(self.outcome(self.key, "A cat"), "kept")

    def test_a_save_that_was_rolled_back_and_is_saved_again(self) -> None:
        def rolled_back(row: Any) -> None:
            with self.assertRaises(RuntimeError), transaction.atomic():
                row.save()
                row.save()
                row.refresh_from_db()
                raise RuntimeError

        self.edited(rolled_back)

    def test_a_savepoint_that_was_rolled_back(self) -> None:
        row = self.opened()
        with transaction.atomic():
            self.put(row, "FIRST")
            row.save()
            self.put(row, "PERSON")
            with self.assertRaises(RuntimeError), transaction.atomic():
                row.save()
                raise RuntimeError
            row.save()
        self.assertEqual(self.alt(self.key), "PERSON")

    def test_another_field_is_read_again(self) -> None:
        self.edited(lambda row: row.refresh_from_db(fields=[OTHER]))

    def test_a_deferred_field_is_read(self) -> None:
        self.edited(lambda row: getattr(row, OTHER), OTHER)

    def test_another_field_is_saved(self) -> None:
        self.edited(lambda row: row.save(update_fields=[OTHER]))

    @unittest.skipUnless(settings.KIND == "wagtail", "a method of Wagtail's images")
    def test_wagtail_saves_the_hash_of_the_file(self) -> None:
        pictures.of(self.key).update(file_hash="")
        self.edited(lambda row: row.get_file_hash())

    def test_the_text_itself_was_deferred_and_is_typed_without_reading_it(self) -> None:
        self.edited(lambda row: None, self.field)

    def test_a_copy_and_a_pickle_know_what_was_read(self) -> None:
        for copied in (copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))):
            self.key = self.upload()
            row = copied(self.opened())
            self.describe(self.key, "A cat")
            row.save()
            self.assertEqual(self.alt(self.key), "A cat")
            self.put(row, "PERSON")
            copied(row).save()
            self.assertEqual(self.alt(self.key), "PERSON")

    def test_two_edits_in_one_transaction_and_the_second_takes_the_first_back(self) -> None:
        row = self.opened()
        with transaction.atomic():
            self.put(row, "PERSON")
            row.save()
            self.put(row, "")
            row.save()
        self.assertEqual(self.alt(self.key), "")
        self.put(row, "PERSON")
        row.save()
        self.assertEqual(
            [m.data["fields"]["alt_text"]["en"]["value"] for m in self.waiting("asset.edited")], ["PERSON", "", "PERSON"]
        )

    def test_an_edit_is_told_once_although_it_is_saved_twice_in_a_transaction(self) -> None:
        row = self.opened()
        self.put(row, "PERSON")
        with transaction.atomic():
            row.save()
            row.save()
        row.save()
        self.assertEqual(len(self.waiting("asset.edited")), 1)

    def test_two_instances(self) -> None:
        one, other = self.opened(), self.opened()
        self.put(one, "PERSON")
        one.save()
        other.save()
        self.assertEqual(self.alt(self.key), "PERSON")
        self.put(other, "ANOTHER")
        other.save()
        one.save()
        self.assertEqual(self.alt(self.key), "ANOTHER")

    def test_a_save_that_failed_does_not_make_taggers_text_an_edit(self) -> None:
        row = self.opened()
        self.describe(self.key, "A cat")
        with mock.patch.object(type(row), "_save_table", side_effect=DatabaseError("full")), self.assertRaises(DatabaseError):
            row.save()
        row.save()
        self.assertEqual((self.alt(self.key), self.waiting("asset.edited")), ("A cat", []))

    def test_no_text_and_an_empty_text_are_the_same_to_a_form(self) -> None:
        field = next((name for name in config().texts.values() if config().model._meta.get_field(name).null), None)
        if field is None:
            self.skipTest("every text of this model is never null")
        pictures.of(self.key).update(**{field: None})
        row = self.opened()
        setattr(row, field, "")
        row.save()
        self.assertEqual((Word.objects.count(), self.waiting("asset.edited")), (0, []))
