"""Foreign SKOS schemes: one unusual label never refuses a scheme, and every omission is reported."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.catalog import rdf_file, skos, vocabulary_file
from tagger.catalog.vocabulary import Term, Vocabulary
from tagger.cli.commands.vocabulary import load
from tagger.errors import BadRequest, VocabularyInvalid

HEAD = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xl: <http://www.w3.org/2008/05/skos-xl#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix tagger: <https://tagger.dev/ns#> .
@prefix : <http://voc.example/> .
:s a skos:ConceptScheme .
"""


def read(text: str, **more: Any) -> tuple[Vocabulary, list[str]]:
    told: list[str] = []
    found = skos.load(HEAD + text, name="v", warn=told.append, **more)
    assert vocabulary_file.parse(vocabulary_file.dump(found)) == found, "what is imported can be read"
    return found, told


def term(text: str, term_id: str = "a", **more: Any) -> tuple[Term, list[str]]:
    vocabulary, told = read(text, **more)
    found = vocabulary.find(term_id)
    assert found is not None, list(vocabulary._index)
    return found[1], told


def test_labels_in_no_locale_are_left_out_by_name() -> None:
    found, told = term(
        ':a skos:inScheme :s ; skos:prefLabel "bronze"@en, "青銅"@zh-hant, "qing tong"@zh-latn-pinyin-x-hanyu ; '
        'skos:altLabel "brons"@nl, "Aes"@zxx-x-taxon, "aes"@zxx, "Bronze"@de-1996 .'
    )
    assert found.labels == {"en": "bronze", "zh-Hant": "青銅"}
    assert found.synonyms == {"nl": ("brons",)}
    for label in ("qing tong", "Aes", "aes", "Bronze"):
        assert any(f"`bronze`: the label `{label}` was left out" in warning for warning in told), label


@pytest.mark.parametrize("bad", ['"  "@en', '""@en', f'"{"x" * 201}"@en'])
def test_a_label_that_is_none_leaves_the_rest(bad: str) -> None:
    vocabulary, told = read(f':a skos:inScheme :s ; skos:prefLabel {bad} . :b skos:inScheme :s ; skos:prefLabel "dog"@en .')
    assert [t.id for _, t in vocabulary] == ["b"]
    assert len(told) == 2, "the label, and the concept that is left out for it"


def test_white_space_is_stripped() -> None:
    found, _ = term(':a skos:inScheme :s ; skos:prefLabel " cat "@en ; skos:altLabel "big\\n  cat\\t"@en .')
    assert (found.labels, found.synonyms) == ({"en": "cat"}, {"en": ("big cat",)})


def test_a_second_label_becomes_a_synonym() -> None:
    found, told = term(':a skos:inScheme :s ; skos:prefLabel "truck"@en, "lorry"@en ; skos:altLabel "van"@en .')
    assert (found.labels, found.synonyms) == ({"en": "lorry"}, {"en": ("truck", "van")})
    assert told == ["`lorry` has two labels in en: `lorry` stays, `truck` became a synonym."]


@pytest.mark.parametrize(
    ("stated", "locale"),
    [
        ('"nl"', "nl"),
        ('"nld"', "nl"),
        ('"dut"', "nl"),
        ("<http://id.loc.gov/vocabulary/iso639-2/dut>", "nl"),
        ("<http://publications.europa.eu/resource/authority/language/NLD>", "nl"),
        ("<http://lexvo.org/id/iso639-3/nld/>", "nl"),
        ('"pt-br"', "pt-BR"),
        ('"pt_BR"', "pt-BR"),
        ('"nl", "en"', "en"),
        ('"Nederlands"', "en"),
        ('"und"', "en"),
    ],
)
def test_the_language_of_the_scheme_is_that_of_labels_without_one(stated: str, locale: str) -> None:
    found, _ = term(f':s dct:language {stated} . :a skos:inScheme :s ; skos:prefLabel "kat" ; skos:altLabel "poes"@und .')
    assert (found.labels, found.synonyms) == ({locale: "kat"}, {locale: ("poes",)})


def test_codes_of_three_letters_are_those_of_two() -> None:
    found, _ = term(':a skos:inScheme :s ; skos:prefLabel "cat"@eng, "Katze"@ger, "kat"@nld-be .')
    assert found.labels == {"en": "cat", "de": "Katze", "nl-BE": "kat"}


def test_labels_that_are_things_of_their_own_are_read() -> None:
    found, _ = term(
        ':a skos:inScheme :s ; xl:prefLabel [ xl:literalForm "cat"@en ] ; xl:altLabel [ xl:literalForm "kitty"@en ] .'
    )
    assert (found.labels, found.synonyms) == ({"en": "cat"}, {"en": ("kitty",)})


def test_notations_in_another_script_do_not_clash() -> None:
    vocabulary, told = read(
        ':c1 skos:inScheme :s ; skos:notation "猫" ; skos:prefLabel "cat"@en . '
        '<http://voc.example/犬> skos:inScheme :s ; skos:notation "犬" ; skos:prefLabel "dog"@en . '
        '<http://voc.example/鳥> skos:inScheme :s ; skos:prefLabel "bird"@en . '
        ':e skos:inScheme :s ; skos:notation "Élan 1" ; skos:prefLabel "elk"@en . '
        '[] skos:inScheme :s ; skos:prefLabel "fish"@en .'
    )
    ids = {t.labels["en"]: t.id for _, t in vocabulary}
    assert (ids["cat"], ids["elk"], ids["fish"]) == ("c1", "elan-1", "fish")
    assert ids["dog"].startswith("c-")
    assert len(set(ids.values())) == 5
    assert any("The notation `猫` cannot be an id; `c1` was taken" in warning for warning in told)


def test_two_concepts_with_one_notation_stay_two() -> None:
    text = (
        ':x1 skos:inScheme :s ; skos:notation "A.1" ; skos:prefLabel "cat"@en . '
        ':x2 skos:inScheme :s ; skos:notation "a-1" ; skos:prefLabel "dog"@en .'
    )
    vocabulary, told = read(text)
    assert len(vocabulary) == 2
    assert any("Two concepts have the id `a-1`" in warning for warning in told)
    assert read(text)[0] == vocabulary, "the same ids each time"


def test_two_categories_with_one_notation_stay_two() -> None:
    vocabulary, _ = read(
        "".join(
            f':t{n} skos:inScheme :s ; skos:notation "T" ; skos:prefLabel "top {n}"@en . '
            f':k{n} skos:inScheme :s ; skos:broader :t{n} ; skos:prefLabel "kid {n}"@en . '
            for n in (1, 2)
        )
    )
    assert [len(category.terms) for category in vocabulary.categories] == [1, 1]


SCHEMES = (
    ':t a skos:ConceptScheme ; skos:notation "T" . '
    ':a skos:inScheme :s ; skos:prefLabel "cat"@en . :b skos:inScheme :t ; skos:prefLabel "dog"@en .'
)


@pytest.mark.parametrize(("wanted", "term_id"), [("http://voc.example/s", "a"), ("s", "a"), ("t", "b"), ("T", "b")])
def test_several_schemes_are_kept_apart(wanted: str, term_id: str) -> None:
    vocabulary, _ = read(SCHEMES, scheme=wanted)
    assert [t.id for _, t in vocabulary] == [term_id]


@pytest.mark.parametrize("wanted", [None, "u"])
def test_the_schemes_to_choose_from_are_named(wanted: str | None) -> None:
    with pytest.raises(VocabularyInvalid) as caught:
        read(SCHEMES, scheme=wanted)
    assert "--scheme`: http://voc.example/s, http://voc.example/t." in caught.value.info().remedy


def test_concepts_below_a_top_concept_belong_to_its_scheme() -> None:
    vocabulary, _ = read(
        ':s skos:hasTopConcept :top . :top skos:prefLabel "animals"@en ; skos:narrower :a . :a skos:prefLabel "cat"@en . '
        ':b skos:broader :a ; skos:prefLabel "siamese"@en . '
        ':x skos:inScheme :other ; skos:broader :a ; skos:prefLabel "alien"@en .'
    )
    assert {c.id: [t.id for t in c.terms] for c in vocabulary.categories} == {"top": ["a", "b"]}


@pytest.mark.parametrize(
    "odd",
    [
        ':s tagger:version "new" .',
        ':s tagger:deny "no JSON" .',
        ":s tagger:deny '[{}]' .",
        ":s tagger:deny '7' .",
        ':a tagger:position "first" .',
        ":a tagger:threshold :b .",
        ':a tagger:thresholds "{}" .',
        ":a tagger:lists '[1]' .",
        ':a tagger:lists "{" .',
        f":s tagger:version {'9' * 5000} .",
    ],
)
def test_odd_values_of_our_own_properties_are_refused(odd: str) -> None:
    with pytest.raises(VocabularyInvalid) as caught:
        read(odd + ' :a skos:inScheme :s ; skos:prefLabel "cat"@en .')
    assert caught.value.info().remedy


@pytest.fixture
def address() -> Iterator[tuple[str, list[str]]]:
    """A server that counts who asks it, and what it was asked for."""
    asked: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"@context": {}}')

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    thread.join()
    server.server_close()


CONTEXTS: list[Any] = [
    "URL",
    ["URL"],
    [["URL"]],
    [{"a": "b"}, [[["URL"]]]],
    {"@context": "URL"},
    {"@context": [["URL"]]},
    {"@import": "URL"},
    {"term": {"@id": "http://e.x/t", "@context": "URL"}},
    {"term": {"@id": "http://e.x/t", "@context": [["URL"]]}},
    {"Type": {"@id": "http://e.x/T", "@context": {"inner": {"@id": "http://e.x/i", "@context": "URL"}}}},
]


@pytest.mark.parametrize("context", CONTEXTS, ids=json.dumps)
@pytest.mark.parametrize("where", ["top", "node", "graph", "list"])
def test_no_context_is_fetched_however_deep_it_stands(address: tuple[str, list[str]], context: Any, where: str) -> None:
    url, asked = address
    told = json.loads(json.dumps(context).replace("URL", url + "context.jsonld"))
    node = {"@context": told, "@id": "http://e.x/s", "@type": ["Type", "http://e.x/T"], "term": {"inner": "x"}}
    body: Any = {"top": node, "node": {"http://e.x/p": node}, "graph": {"@graph": [node]}, "list": [{"@included": [node]}]}[where]
    with pytest.raises(VocabularyInvalid, match="@context of the file is an address"):
        skos.load(json.dumps(body), form="json-ld")
    assert asked == []


@pytest.mark.parametrize("context", CONTEXTS, ids=json.dumps)
def test_the_parser_itself_goes_to_no_address(
    address: tuple[str, list[str]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wall: what the look at the file passed over."""
    monkeypatch.setattr(rdf_file, "_refuse_address", lambda *_args, **_more: None)
    url, asked = address
    told = json.loads(json.dumps(context).replace("URL", url + "context.jsonld"))
    with contextlib.suppress(VocabularyInvalid):
        skos.load(json.dumps({"@context": told, "@type": "Type", "term": {"inner": "x"}}), form="json-ld")
    assert asked == []


def test_turtle_fetches_nothing(address: tuple[str, list[str]]) -> None:
    url, asked = address
    text = (
        f"@base <{url}> . @prefix p: <{url}p#> . @prefix owl: <http://www.w3.org/2002/07/owl#> . "
        f"<s> a skos:ConceptScheme ; owl:imports <{url}owl> . "
        f'<a> skos:inScheme <s> ; skos:prefLabel "x"@en ; skos:exactMatch <{url}b> .'
    )
    skos.load(HEAD.replace(":s a skos:ConceptScheme .", "") + text)
    for odd in (f"@import <{url}> .", f"<{url}> <http://www.w3.org/2000/10/swap/log#semantics> ?x .", url):
        with contextlib.suppress(VocabularyInvalid):
            skos.load(odd)
    assert asked == []


def test_a_file_that_would_take_long_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VocabularyInvalid, match="more than 200,000 of the characters"):
        skos.load(HEAD + ":a :b " + "[]," * 200_000 + "[] .")
    with pytest.raises(VocabularyInvalid, match="more than 200,000 of the characters"):
        skos.load(HEAD + ':a :b "' + "\\n" * 200_001 + '" .')
    with pytest.raises(VocabularyInvalid, match="larger than 2 MiB"):
        skos.load(b" " * (2 << 20) + b"\xff")
    monkeypatch.setattr(rdf_file, "MAX_STATEMENTS", 3)
    for text, form in (
        (HEAD + ":a :b 1, 2, 3 .", "turtle"),
        ('[{"@id": "http://e.x/a", "http://e.x/p": [1, 2, 3, 4]}]', "json-ld"),
    ):
        with pytest.raises(VocabularyInvalid, match="more than 3 statements"):
            skos.load(text, form=form)  # type: ignore[arg-type]


SNIPPETS = st.sampled_from(
    [":a", ":b", ":s", "skos:inScheme", "skos:prefLabel", "skos:broader", "skos:notation", "tagger:max", "tagger:lists", '"x"@en',
     '" "', '"é"@zh-hant-tw-x', "1e999", "true", '"{}"', "[", "]", "(", ")", ".", ";", ",", "a", "skos:ConceptScheme", "@prefix"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(SNIPPETS, max_size=14))
def test_any_words_of_turtle_are_a_vocabulary_or_refused(words: list[str]) -> None:
    with contextlib.suppress(VocabularyInvalid):
        read(':a skos:inScheme :s ; skos:prefLabel "cat"@en . ' + " ".join(words))


def test_an_import_names_what_it_left_out(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tagger.cli.main import app

    (tmp_path / "v.ttl").write_text(HEAD + SCHEMES + ':a skos:altLabel "x"@zxx-x-taxon .')
    done = CliRunner().invoke(
        app, ["vocabulary", "import", str(tmp_path / "v.ttl"), str(tmp_path / "v.yaml"), "--name", "v", "--scheme", "s"]
    )
    assert done.exit_code == 0, done.output
    assert "warning: `cat`: the label `x` was left out: `zxx-x-taxon` is no locale" in done.output
    assert [t.id for _, t in vocabulary_file.load(tmp_path / "v.yaml")] == ["a"]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_told_to_be_saved_as_utf_8(encoding: str) -> None:
    with pytest.raises(VocabularyInvalid, match=r"The file is not UTF-8: byte \d+ is not valid\.") as refused:
        skos.load((HEAD + ':a skos:inScheme :s; skos:prefLabel "café"@en .').encode(encoding), name="v")
    assert refused.value.info().remedy == "Save the file as UTF-8."


def test_a_deprecated_concept_is_left_out_and_named() -> None:
    """EuroVoc, AGROVOC and UNESCO keep what they replaced."""
    found, told = read(
        """@prefix owl: <http://www.w3.org/2002/07/owl#> .
        :old skos:inScheme :s ; skos:prefLabel "Peking"@en ; owl:deprecated true ; dct:isReplacedBy :new .
        :gone skos:inScheme :s ; skos:prefLabel "Gone"@en ; owl:deprecated "true" .
        :new skos:inScheme :s ; skos:prefLabel "Beijing"@en ; owl:deprecated false ."""
    )
    assert [term.id for _, term in found] == ["new"]
    assert sorted(told) == [
        "`http://voc.example/gone` was left out: it is deprecated.",
        "`http://voc.example/old` was left out: it is deprecated; `http://voc.example/new` replaces it.",
    ]


N_TRIPLES = """<http://voc.example/s> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> \
<http://www.w3.org/2004/02/skos/core#ConceptScheme> .
<http://voc.example/a> <http://www.w3.org/2004/02/skos/core#inScheme> <http://voc.example/s> .
<http://voc.example/a> <http://www.w3.org/2004/02/skos/core#prefLabel> "a cat"@en .
""".replace("\\\n", "")


def test_n_triples_are_read_and_rdf_xml_names_a_converter(tmp_path: Path) -> None:
    triples, rdf_xml = tmp_path / "v.nt", tmp_path / "v.rdf"
    triples.write_text(N_TRIPLES, "utf-8")
    rdf_xml.write_text("<rdf:RDF/>", "utf-8")
    assert [term.label("en") for _, term in load(str(triples))] == ["a cat"]
    with pytest.raises(BadRequest, match="is RDF/XML") as told:
        load(str(rdf_xml))
    assert "rdfpipe -i xml -o turtle v.rdf > v.ttl" in told.value.remedy
