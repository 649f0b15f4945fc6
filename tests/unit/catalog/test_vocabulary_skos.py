"""SKOS in and out: nothing is lost on the way, nothing is fetched, and a foreign scheme becomes a vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tagger.catalog import skos
from tagger.catalog.vocabulary import Vocabulary
from tagger.catalog.vocabulary_file import BUILT_IN, built_in
from tagger.errors import VocabularyInvalid
from unit.catalog.test_vocabulary import VOCABULARIES

FOREIGN = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix e: <http://example.org/> .
e:zoo a skos:ConceptScheme .
e:Animals a skos:Concept ; skos:inScheme e:zoo ; skos:prefLabel "animals"@en .
e:Cats skos:inScheme e:zoo ; skos:broader e:Animals ; skos:prefLabel "cats"@en .
e:Siamese skos:inScheme e:zoo ; skos:broader e:Cats ; skos:prefLabel "siamese cat"@en, "暹罗猫"@zh-hans ;
  skos:altLabel "siamese"@en ; skos:exactMatch <http://www.wikidata.org/entity/Q42604> .
e:Weather skos:inScheme e:zoo ; skos:prefLabel "weather" .
"""


@given(VOCABULARIES)
@settings(max_examples=30, deadline=None)
def test_turtle_keeps_everything(vocabulary: Vocabulary) -> None:
    assert skos.load(skos.dump(vocabulary)) == vocabulary


@given(VOCABULARIES)
@settings(max_examples=20, deadline=None)
def test_json_ld_keeps_everything(vocabulary: Vocabulary) -> None:
    assert skos.load(skos.dump(vocabulary, form="json-ld"), form="json-ld") == vocabulary


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_vocabularies_survive(name: str) -> None:
    assert skos.load(skos.dump(built_in(name))) == built_in(name)


def test_a_foreign_scheme_becomes_a_vocabulary() -> None:
    vocabulary = skos.load(FOREIGN, name="zoo")
    assert {c.id: [t.id for t in c.terms] for c in vocabulary.categories} == {
        "animals": ["cats", "siamese"],
        "other": ["weather"],
    }
    found = vocabulary.find("siamese")
    assert found is not None
    assert found[1].labels == {"en": "siamese cat", "zh-Hans": "暹罗猫"}
    assert (found[1].synonyms, found[1].same_as) == ({"en": ("siamese",)}, ("wd:Q42604",))


def test_words_added_by_another_tool_are_kept() -> None:
    text = skos.dump(built_in("general")).replace('skos:altLabel "kitten"@en', 'skos:altLabel "kitten"@en, "moggy"@en')
    found = skos.load(text).find("cat")
    assert found is not None
    assert found[1].synonyms["en"] == ("kitty", "kitten", "moggy")


@pytest.mark.parametrize("form", ["turtle", "json-ld"])
@pytest.mark.parametrize(
    "text", ["", "x", '@prefix a: <b> . a:b a:c "d', "{", "[]", '{"@id": 3}', FOREIGN * 2 + "<http://x> a <y", "[[[["]
)
def test_what_is_no_scheme_is_refused(text: str, form: skos.Format) -> None:
    with pytest.raises(VocabularyInvalid):
        skos.load(text, form=form)


def test_a_context_at_an_address_is_never_fetched() -> None:
    with pytest.raises(VocabularyInvalid, match="@context of the file is an address"):
        skos.load('{"@context": ["http://127.0.0.1:1/context.json"], "@id": "http://x/"}', form="json-ld")
