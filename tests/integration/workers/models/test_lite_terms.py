"""Tags of any vocabulary: known words, near-synonyms, other languages, what is never said, and the cache of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tagger.catalog.load import load_catalog
from tagger.catalog.vocabulary import Category, Term, Vocabulary, check_vocabulary
from tagger.prediction import ClassScore, DetectedObject, Look, Prediction
from workers.models.lite import TermScorer, TextEncoder
from workers.models.lite.belief import believed
from workers.pipeline.judge import SiteRules

GREY = Look(dominant=(("grey", 0.9),), warm=False, cold=False, bright=False, dark=False, black_and_white=False, uniform=False)


@pytest.fixture(scope="module")
def scorer() -> TermScorer:
    return TermScorer(TextEncoder())


def vocabulary(*terms: str | Term) -> Vocabulary:
    made = tuple(t if isinstance(t, Term) else Term(id=t, labels={"en": t}) for t in terms)
    return Vocabulary(name="test", version=1, categories=(Category(id="all", terms=made),))


def image(classes: Mapping[str, float], *objects: str, look: Look = GREY) -> Prediction:
    return Prediction(
        width=600,
        height=400,
        classes=tuple(ClassScore(label=k, score=v) for k, v in classes.items()),
        objects=tuple(DetectedObject(label=o, score=0.9, box=(0.4, 0.4, 0.6, 0.6)) for o in objects),
        look=look,
    )


def scores(scorer: TermScorer, prediction: Prediction, *terms: str | Term) -> dict[str, float]:
    found = scorer.score(prediction, vocabulary(*terms))
    assert len(found) == len(terms)
    assert {s.model for s in found} == {scorer.model}
    assert all(0.0 <= s.score <= 1.0 for s in found)
    return {s.term: s.score for s in found}


TABBY = image({"tabby cat": 0.6, "Egyptian Mau": 0.3, "lynx": 0.05})


def test_rules_know_common_tags(scorer: TermScorer) -> None:
    made = scores(scorer, TABBY, "cat", "pet", "animal", "dog", "car", "church")
    assert min(made["cat"], made["pet"], made["animal"]) > 0.8
    assert max(made["dog"], made["car"], made["church"]) < 0.05


def test_words_that_nobody_wrote_rules_for(scorer: TermScorer) -> None:
    made = scores(scorer, TABBY, "feline", "tomcat", "tabby", "motorcar", "skyscraper")
    assert made["feline"] > 0.8
    assert made["tabby"] > 0.5
    assert max(made["motorcar"], made["skyscraper"]) < 0.05
    taxi = scores(scorer, image({"taxicab": 0.8, "police van": 0.1}), "automobile", "motorcar", "aeroplane", "feline")
    assert min(taxi["automobile"], taxi["motorcar"]) > 0.7
    assert max(taxi["aeroplane"], taxi["feline"]) < 0.1


def test_spellings_do_not_matter(scorer: TermScorer) -> None:
    made = scores(scorer, TABBY, "Cats", "CAT", "a cat", "domestic-cat", "domestic_cat")
    assert min(made.values()) > 0.8


def test_a_homonym_is_not_a_synonym(scorer: TermScorer) -> None:
    made = scores(scorer, image({"website": 0.9}), "computer", "car", "engine")
    assert made["computer"] > 0.5
    assert made["car"] < 0.1
    kite = scores(scorer, image({"parachute": 0.3}, "kite"), "kite", "bird of prey")
    assert kite["kite"] > 0.8
    assert kite["bird of prey"] < 0.1


def test_a_kind_is_less_probable_than_its_genus(scorer: TermScorer) -> None:
    made = scores(scorer, image({"bell tower": 0.9}), "tower", "office tower")
    assert made["tower"] > 0.8
    assert made["office tower"] < 0.5 * made["tower"]


def test_objects_count_beside_classes(scorer: TermScorer) -> None:
    made = scores(scorer, image({"street sign": 0.2}, "person", "bus"), "person", "people", "vehicle", "dog")
    assert min(made["person"], made["people"], made["vehicle"]) > 0.8
    assert made["dog"] < 0.1


def test_many_persons_make_a_crowd_and_one_does_not(scorer: TermScorer) -> None:
    assert scores(scorer, image({}, "person"), "crowd")["crowd"] < 0.1
    assert scores(scorer, image({}, *["person"] * 4), "crowd")["crowd"] < 0.3
    assert scores(scorer, image({}, *["person"] * 6), "crowd")["crowd"] > 0.4


@pytest.mark.parametrize("thing", ["cat", "bus", "airplane"])
def test_a_thing_has_one_score_in_its_caption_and_its_tag(scorer: TermScorer, thing: str) -> None:
    seen = image({"tabby cat": 0.3, "minibus": 0.4, "airliner": 0.3}, thing)
    assert believed(thing, seen) == pytest.approx(scores(scorer, seen, thing)[thing], abs=1e-6)


def test_colours_and_light_come_from_the_pixels(scorer: TermScorer) -> None:
    look = Look(dominant=(("blue", 0.6),), warm=False, cold=True, bright=False, dark=True, black_and_white=False, uniform=False)
    made = scores(scorer, image({}, look=look), "blue", "red", "dark", "bright", "black and white", "cool tones")
    assert min(made["blue"], made["dark"], made["cool tones"]) > 0.8
    assert max(made["red"], made["bright"], made["black and white"]) < 0.1


def test_nothing_is_on_a_uniform_picture(scorer: TermScorer) -> None:
    flat = Look(dominant=(("green", 1.0),), warm=False, cold=False, bright=False, dark=False, black_and_white=False, uniform=True)
    made = scores(scorer, image({"daisy": 0.9}, look=flat), "flower", "nature", "green")
    assert (made["flower"], made["nature"]) == (0.0, 0.0)
    assert made["green"] > 0.8


def test_gender_and_age_are_never_said(scorer: TermScorer) -> None:
    words = ("woman", "men", "child", "old man", "baby", "bride")
    made = scores(scorer, image({"bridegroom": 0.9}, "person"), *words)
    assert set(made.values()) == {0.0}
    assert scorer.unreachable(vocabulary(*words)) == set(words)


def test_a_term_without_english_words(scorer: TermScorer) -> None:
    alone = Term(id="mao", labels={"zh-Hans": "猫"})
    by_link = Term(id="mao1", labels={"zh-Hans": "猫"}, same_as=("wd:Q146",))
    by_synonym = Term(id="mao2", labels={"zh-Hans": "猫"}, synonyms={"en": ("cat",)})
    made = scores(scorer, TABBY, alone, by_link, by_synonym)
    assert made["mao"] == 0.0
    assert min(made["mao1"], made["mao2"]) > 0.8
    known = vocabulary(alone, by_link, by_synonym)
    assert scorer.unreachable(known) == {"mao"}
    assert any("`mao` will never be offered" in warning for warning in check_vocabulary(known, reach=scorer.reach))


def test_what_no_model_can_see_is_named(scorer: TermScorer) -> None:
    assert scorer.unreachable(vocabulary("parliamentary election", "cat", "blue")) == {"parliamentary election"}


def test_an_empty_vocabulary_and_an_empty_prediction(scorer: TermScorer) -> None:
    assert scorer.score(TABBY, vocabulary()) == ()
    assert scores(scorer, Prediction(width=1, height=1), "cat")["cat"] < 0.01


def test_the_same_image_scores_the_same_alone_and_among_others(scorer: TermScorer) -> None:
    one = scores(scorer, TABBY, "feline")["feline"]
    assert scores(scorer, TABBY, "motorcar", "feline", "cat")["feline"] == pytest.approx(one, abs=0.02)


def test_vectors_are_kept_on_disk_and_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    texts = ["a cup of coffee", "a dog"]
    first = TextEncoder(cache_dir=tmp_path).stored(texts)
    (file,) = tmp_path.iterdir()
    np.save(file, first * 0 + 0.5)
    assert np.allclose(TextEncoder(cache_dir=tmp_path).stored(texts), 0.5)  # it was read
    file.write_bytes(b"not an array")
    again = TextEncoder(cache_dir=tmp_path).stored(texts)
    assert np.allclose(again, first, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
    assert TextEncoder(cache_dir=tmp_path).stored([]).shape == (0, 384)


def test_vectors_have_the_order_of_their_texts() -> None:
    encoder = TextEncoder()
    texts = ["dog", "a very long sentence about a lighthouse on a cliff above the sea", "cat", "dog", ""]
    made = encoder.vectors(texts)
    assert made.shape == (5, 384)
    assert np.array_equal(made[0], made[3])
    assert np.allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-5)
    assert made[0] @ made[2] > made[0] @ made[1]


def test_a_synonym_counts_in_the_sense_of_its_label(scorer: TermScorer) -> None:
    """A rocket is no musical instrument for being an instrument, a daisy no factory for being a plant."""
    instrument = Term(id="instrument", labels={"en": "musical instrument"}, synonyms={"en": ("instrument",)})
    factory = Term(id="factory", labels={"en": "factory"}, synonyms={"en": ("plant",)})
    made = scores(scorer, image({"missile": 0.4, "drilling rig": 0.3, "clock": 0.2}), instrument)
    assert made["instrument"] < 0.2
    assert scores(scorer, image({"violin": 0.8}), instrument)["instrument"] > 0.8
    assert scores(scorer, image({"daisy": 0.8, "bee": 0.1}), factory)["factory"] < 0.4
    assert scores(scorer, image({"Shih Tzu": 0.9}), "toy")["toy"] < 0.4, "a toy dog is no toy"


def test_synonyms_are_believed_where_nothing_is_known_of_the_label(scorer: TermScorer) -> None:
    own_word = Term(id="purrs", labels={"en": "Purrington friends"}, synonyms={"en": ("cat",)})
    assert scores(scorer, TABBY, own_word)["purrs"] > 0.8


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """Weights may be mounted read-only."""
    (tmp_path / "file").write_text("in the way", "utf-8")
    made = TextEncoder(cache_dir=tmp_path / "file" / "vectors").stored(["cat"])
    assert made.shape == (1, 384)


def test_threads_that_ask_at_once_read_a_vocabulary_once() -> None:
    class Counting(TextEncoder):
        calls = 0

        def stored(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            self.calls += 1
            return super().stored(texts)

    encoder = Counting()
    once = TermScorer(encoder)
    words = vocabulary(*(f"word {n}" for n in range(64)))
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(once.table, [words] * 8))
    assert encoder.calls == 1
    assert all(table is tables[0] for table in tables)


def test_what_was_prepared_is_not_built_again_by_the_first_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = TermScorer(TextEncoder(cache_dir=tmp_path))
    catalog = load_catalog()
    SiteRules(catalog, prepared, instructed=False).prepare([])
    monkeypatch.setattr(prepared, "_build", lambda _vocabulary: pytest.fail("it is built by the first image"))
    table = prepared.table(catalog.vocabulary(catalog.require("general")))
    assert len(table.terms) > 50
    assert list(tmp_path.glob("*.npy")), "the next start reads the vectors"
