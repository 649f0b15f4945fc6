"""The vocabulary file, its complaints, and which tags come out of it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.catalog.vocabulary import Category, Denial, Term, Threshold, Vocabulary, check_vocabulary, diff_vocabularies
from tagger.catalog.vocabulary_file import BUILT_IN, built_in, dump, load, parse
from tagger.errors import VocabularyInvalid
from tagger.prediction import TermScore

NEWSROOM = """\
vocabulary: newsroom
version: 3
categories:
  subject:
    labels: {en: Subject, zh-Hans: 主体}
    prompt: "A photo of {label}."
    threshold: 0.60
    max: 5
    terms:
      cat:
        labels: {en: cat, zh-Hans: 猫, no: katt}
        synonyms: {en: [kitty], zh-Hans: [猫咪]}
        same_as: wd:Q146
      dog:
        labels: {en: dog, zh-Hans: 狗}
        prompts: ["A dog.", "A puppy outdoors."]
        threshold: {default: 0.55, lite: 0.70}
deny: [weapon, {term: cat, sites: [dogs-only]}]
"""


def score(term: str, value: float, category: str = "subject", model: str = "gme@1") -> TermScore:
    return TermScore(category=category, term=term, score=value, model=model)


def ids(vocabulary: Vocabulary, scores: list[TermScore], **more: object) -> list[str]:
    return [tag.id for tag in vocabulary.select(scores, **more)]  # type: ignore[arg-type]


def test_the_documented_example_means_what_it_says() -> None:
    vocabulary = parse(NEWSROOM)
    assert (vocabulary.name, vocabulary.version, len(vocabulary)) == ("newsroom", 3, 2)
    found = vocabulary.find("cat")
    assert found is not None
    category, cat = found
    assert (cat.labels["no"], cat.synonyms["en"], cat.same_as) == ("katt", ("kitty",), ("wd:Q146",))
    assert vocabulary.prompts() == {("subject", "cat"): ("A photo of cat.",), ("subject", "dog"): ("A dog.", "A puppy outdoors.")}
    assert category.labels["zh-Hans"] == "主体"


def test_thresholds_of_term_category_and_model() -> None:
    vocabulary = parse(NEWSROOM)
    assert ids(vocabulary, [score("cat", 0.59), score("dog", 0.56)]) == ["dog"]
    assert ids(vocabulary, [score("cat", 0.60), score("dog", 0.56, model="lite-tags@2")]) == ["cat"]
    of_lite = [score("cat", 0.60, model="lite@3"), score("dog", 0.71, model="lite@3")]
    assert ids(vocabulary, of_lite) == ["dog", "cat"]
    assert ids(vocabulary, [score("cat", 0.60), score("dog", 0.71)], thresholds={"subject": 0.65}) == ["dog"]


def test_denied_terms_stay_out_everywhere_or_on_one_site() -> None:
    vocabulary = parse(NEWSROOM)
    both = [score("cat", 0.9), score("dog", 0.9)]
    assert ids(vocabulary, both, site_id="dogs-only") == ["dog"]
    assert ids(vocabulary, both, site_id="other") == ["cat", "dog"]
    assert ids(vocabulary, both, site_id="other", deny=("dog",)) == ["cat"]


def test_limits_hold_per_category_and_over_all() -> None:
    vocabulary = built_in("general")
    many = [score(t.id, 0.9 - n / 1000, c.id) for n, (c, t) in enumerate(vocabulary)]
    tags = vocabulary.select(many)
    assert all(sum(t.category == c.id for t in tags) <= (c.max or 0) for c in vocabulary.categories)
    assert len(vocabulary.select(many, max_tags=4)) == 4
    assert all(t.category != "style" for t in vocabulary.select(many, limits={"style": 0}))


def test_labels_come_in_the_locale_and_fall_back_within_the_language() -> None:
    vocabulary = parse(NEWSROOM)
    one = [score("cat", 0.9)]
    assert [vocabulary.select(one, locale=x)[0].label for x in ("en-GB", "zh-CN", "zh-Hans-CN", "no")] == [
        "cat",
        "猫",
        "猫",
        "katt",
    ]
    assert vocabulary.select(one, locale="fr")[0].label == "cat"
    assert (vocabulary.has_label("cat", "zh"), vocabulary.has_label("cat", "fr")) == (True, False)


def test_unknown_terms_wrong_categories_and_nan_are_passed_over() -> None:
    vocabulary = parse(NEWSROOM)
    assert ids(vocabulary, [score("emu", 0.9), score("cat", 0.9, "place"), score("dog", float("nan"))]) == []


@given(st.lists(st.tuples(st.sampled_from([t.id for _, t in built_in("general")]), st.floats(0, 1)), max_size=60), st.randoms())
@settings(max_examples=60, deadline=None)
def test_selection_is_stable_sorted_and_independent_of_the_order_of_scores(pairs: list[tuple[str, float]], rng: object) -> None:
    vocabulary = built_in("general")
    scores = [score(t, p, vocabulary.find(t)[0].id) for t, p in dict(pairs).items()]  # type: ignore[index]
    shuffled = list(scores)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    tags = vocabulary.select(scores)
    assert tags == vocabulary.select(shuffled)
    assert [t.score for t in tags] == sorted((t.score for t in tags), reverse=True)
    assert len({t.id for t in tags}) == len(tags)


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "said", "remedy"),
    [
        ("threshold: 0.60", "threshold: 1.6", 7, 16, "1.6", "between 0 and 1"),
        ("max: 5", "mx: 5", 8, 5, "`mx`", "Did you mean `max`?"),
        ("{en: dog, zh-Hans: 狗}", "{en: 5}", 15, 22, "`5` is not text", "text"),
        ("      dog:", "      cat:", 14, 7, "line 10", "Delete one"),
        ("      dog:", "      D og:", 14, 7, "`D og`", "a-z"),
        ("lite: 0.70", "lite: 7", 17, 42, "7", "between 0 and 1"),
        ("{en: dog, zh-Hans: 狗}", "{english: dog}", 15, 18, "`english`", "zh-Hans"),
        ("sites: [", "site: [", 18, 16, "sites", "sites"),
        ("version: 3", 'version: "3"', 2, 10, "whole number", "whole number"),
        ("wd:Q146", "*cat", 13, 19, "alias", ""),
        ("A photo of {label}.", "A photo.", 6, 13, "A photo.", "{label}"),
        ("wd:Q146", "2026-11-21", 13, 18, "2026-11-21", "quotes"),
    ],
)
def test_a_complaint_names_line_column_reason_and_remedy(
    old: str, new: str, line: int, column: int, said: str, remedy: str
) -> None:
    assert old in NEWSROOM
    with pytest.raises(VocabularyInvalid) as caught:
        parse(NEWSROOM.replace(old, new, 1), source="newsroom.yaml")
    where = re.search(r"newsroom\.yaml, line (\d+), column (\d+)", str(caught.value))
    assert where is not None, str(caught.value)
    assert int(where[1]) == line
    assert abs(int(where[2]) - column) <= 1
    assert said in str(caught.value)
    assert remedy in caught.value.info().remedy


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(VocabularyInvalid) as caught:
        parse(
            NEWSROOM.replace("max: 5", "max: 0").replace("version: 3", "version: 0").replace("threshold: 0.60", "threshold: -1")
        )
    assert [p.pointer for p in caught.value.errors] == ["/version", "/categories/subject/threshold", "/categories/subject/max"]


def test_one_id_in_two_categories_is_refused() -> None:
    twice = NEWSROOM.replace("deny:", "  place:\n    terms:\n      cat: {labels: {en: cattery}}\ndeny:")
    with pytest.raises(VocabularyInvalid, match="already used in the category `subject`"):
        parse(twice)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "\x00",
        "[" * 50_000,
        "a: !!python/object/apply:os.system [x]",
        b"\xff\xfe",
        "a: &x [*x]",
        "1",
        "x" * (3 << 20),
    ],
)
def test_what_is_no_vocabulary_is_refused_as_one(text: str | bytes) -> None:
    with pytest.raises(VocabularyInvalid):
        parse(text)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_vocabulary_or_refused(text: str) -> None:
    for body in (text, NEWSROOM + text, NEWSROOM.replace("cat", text, 1)):
        with contextlib.suppress(VocabularyInvalid):  # anything else is a fault of ours
            parse(body)


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(VocabularyInvalid, match="cannot be read"):
        load(tmp_path / "none.yaml")


LOCALE = st.sampled_from(["en", "no", "zh-Hans", "zh-Hant", "pt-BR"])
WORD = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
PROBABILITY = st.floats(0, 1)
THRESHOLD = st.builds(
    Threshold,
    default=st.none() | PROBABILITY,
    by_model=st.dictionaries(st.sampled_from(["lite", "gme"]), PROBABILITY, max_size=2),
)
LABELS = st.dictionaries(LOCALE, WORD, min_size=1, max_size=3)
SAID = THRESHOLD.filter(lambda t: t.default is not None or bool(t.by_model))


def a_term(term_id: str) -> st.SearchStrategy[Term]:
    return st.builds(
        Term,
        id=st.just(term_id),
        labels=LABELS,
        synonyms=st.dictionaries(LOCALE, st.lists(WORD, max_size=3).map(tuple), max_size=2),
        same_as=st.lists(st.sampled_from(["wd:Q1", "medtop:15000000", "http://example.org/x"]), max_size=2, unique=True).map(
            tuple
        ),
        prompts=st.lists(WORD, max_size=2).map(tuple),
        threshold=st.none() | SAID,
    )


def a_category(place: int) -> st.SearchStrategy[Category]:
    return st.builds(
        Category,
        id=st.just(f"c{place}"),
        labels=LABELS,
        prompt=st.sampled_from(["A photo of {label}.", "{label}"]),
        threshold=THRESHOLD,
        max=st.none() | st.integers(1, 9),
        terms=st.tuples(*(a_term(f"t{place}{n}") for n in (2, 1, 10))),
    )


VOCABULARIES = st.builds(
    Vocabulary,
    name=st.just("drawn"),
    version=st.integers(1, 99),
    categories=st.tuples(a_category(2), a_category(1)),
    deny=st.lists(st.builds(Denial, term=st.just("t21"), sites=st.lists(st.just("s"), max_size=1).map(tuple)), max_size=2).map(
        tuple
    ),
)


@given(VOCABULARIES)
@settings(max_examples=60, deadline=None)
def test_a_file_written_and_read_again_is_the_same(vocabulary: Vocabulary) -> None:
    assert parse(dump(vocabulary)) == vocabulary


def test_diff_tells_what_came_what_went_and_what_changed() -> None:
    old = parse(NEWSROOM)
    new = parse(NEWSROOM.replace("      dog:", "      hound:").replace("katt", "pus").replace("version: 3", "version: 4"))
    found = diff_vocabularies(old, new)
    assert (found.added, found.removed, found.changed) == (("hound",), ("dog",), {"cat": ("labels",)})
    assert any("`dog` vanished" in w for w in found.warnings)
    assert diff_vocabularies(old, old).warnings == ()
    unraised = diff_vocabularies(old, parse(NEWSROOM.replace("0.55", "0.5")))
    assert unraised.changed == {"dog": ("threshold",)}
    assert any("version did not rise" in w for w in unraised.warnings)


def test_warnings_of_a_valid_file() -> None:
    vocabulary = parse(NEWSROOM.replace("{en: dog, zh-Hans: 狗}", "{en: cat}"))
    said = " ".join(
        check_vocabulary(
            vocabulary, locales=("en", "zh-Hans"), reach=lambda _, t: "no model knows it." if t.id == "dog" else None
        )
    )
    for part in (
        "`dog` has no label for zh-Hans",
        "share the label `cat`",
        "`deny` names `weapon`",
        "never be offered: no model knows it.",
    ):
        assert part in said


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_vocabularies_are_whole_in_both_languages(name: str) -> None:
    vocabulary = built_in(name)
    assert vocabulary.name == name
    assert check_vocabulary(vocabulary, locales=("en", "zh-Hans")) == ()
    assert all(
        re.search(r"[\u4e00-\u9fff]", t.labels["zh-Hans"]) and not re.search(r"[\u4e00-\u9fff]", t.labels["en"])
        for _, t in vocabulary
    )
    assert parse(dump(vocabulary)) == vocabulary
    assert len(vocabulary) >= (120 if name == "general" else 30)


COMMON = """
airplane animal architecture autumn beach bird black_and_white boat bridge building bus camera car cat church city clothing clouds
coffee computer dog drink electronics flag flower food football forest fruit furniture garden grass horse house indoor insect lake
landmark landscape leaf man money motorcycle mountain nature night outdoor people person pet plant portrait rocket sea sign sky
space sport street sunset technology travel tree vehicle wildlife woman
"""


def test_the_general_vocabulary_has_the_common_tags() -> None:
    assert [tag for tag in COMMON.split() if built_in("general").find(tag) is None] == []
