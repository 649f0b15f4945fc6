"""Search over a real ledger and a real index: what is found, by what, and what is never found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ledger_cases.world import World, description

from tagger.annotation import Tag, Verdict
from tagger.asset import Context
from tagger.catalog.vocabulary_file import built_in
from tagger.errors import EngineStopped, NotFound
from tagger.ledger import SearchFilter
from tagger.search.exact import ExactIndex
from tagger.services.search import render
from tagger.services.search.query_vectors import QueryVector
from tagger.services.search.search import Answer, Question, Searcher

MODEL = "lite-minilm@1"
AXES = {"cat": 0, "dog": 1, "boat": 2}
PUBLISH = Verdict(action="publish")


def vector(*near: str) -> Any:
    """Along the axes of these words."""
    made = np.zeros(8, np.float32)
    for word in near:
        made[AXES[word]] += 1
    return made / max(float(np.linalg.norm(made)), 1e-12)


class Words:
    """Stands for the text model: one axis for each word that it knows."""

    def __init__(self, model: str | None = MODEL) -> None:
        self.model = model

    def of(self, text: str) -> QueryVector | None:
        if self.model == "broken":
            raise EngineStopped("The text model did not answer: it ended.")
        near = [word for word in AXES if word in text]
        return None if self.model is None else QueryVector(model=self.model, vector=vector(*near))


class House:
    def __init__(self, folder: Path) -> None:
        self.world = World.on_sqlite(folder / "ledger.sqlite")
        self.index = ExactIndex(folder / "search")
        self.words = Words()

    def described(self, asset: str, *near: str, site: str = "s", model: str = MODEL, version: str = "1", **more: Any) -> str:
        context = more.pop("context", Context())
        [accepted] = self.world.ledger.accept([self.world.request(asset, version, site=site, context=context)])
        tags = tuple(Tag(id=word, label=word.capitalize(), score=0.9) for word in more.pop("tags", ()))
        alt = replace(description(more.pop("alt", f"Picture {asset}")).annotations[0], **more)
        annotations = (alt, replace(alt, field="tags", value=tags))
        found = replace(
            description(embedding=(model, vector(*near).astype("<f2").tobytes()) if near else None), annotations=annotations
        )
        assert self.world.ledger.complete(self.world.claimed(accepted.job_id), found, None)
        return accepted.job_id

    def search(self, text: str | None = None, *, like: str | None = None, site: str = "s", **narrowed: Any) -> Answer:
        searcher = Searcher(self.world.ledger, self.index, self.words, fresh_ms=0)  # type: ignore[arg-type]
        question = Question(filter=SearchFilter(site_id=site, **narrowed), text=text, like=like)
        return searcher.search(question, built_in("general"))

    def found(self, text: str | None = None, **more: Any) -> list[str]:
        return [hit.asset.asset_id for hit in self.search(text, **more).hits]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.world.ledger.close()


def test_words_and_likeness_find_together_and_say_so(house: House) -> None:
    house.described("pet", "cat", tags=["cat"], alt="Animal asleep")
    house.described("sign", "boat", alt="A cat on a poster")
    house.described("kitten", "cat", "dog", alt="Animal at play")
    house.described("sea", "boat", alt="Blue water")
    answer = house.search("a cat")
    assert {hit.asset.asset_id: hit.matched_by for hit in answer.hits} == {
        "pet": ("tag", "vector"),
        "sign": ("text",),
        "kitten": ("vector",),
    }
    assert answer.hits[0].asset.asset_id == "pet"
    assert (answer.vectors, answer.notes) == (MODEL, ())


def test_a_synonym_and_another_language_find_the_tag(house: House) -> None:
    house.described("pet", tags=["cat"], alt="Animal asleep")
    assert house.found("kitty") == house.found("猫在哪里") == ["pet"]


def test_text_in_the_picture_and_the_words_of_the_cms_are_found(house: House) -> None:
    house.described("shop", alt="A door", text="Closed on Mondays")
    house.described("trip", alt="A hill", context=Context(title="Holiday in Norway"))
    assert [(hit.asset.asset_id, hit.matched_by) for hit in house.search("mondays").hits] == [("shop", ("text_in_picture",))]
    assert house.found("norway") == ["trip"]


def test_like_an_asset(house: House) -> None:
    house.described("a", "cat")
    house.described("b", "cat", "dog")
    house.described("c", "boat")
    assert house.found(like="a") == ["b", "c"]
    with pytest.raises(NotFound, match="no vector"):
        house.search(like="unknown")


def test_like_an_asset_and_of_a_word_at_once(house: House) -> None:
    house.described("a", "cat")
    house.described("b", "cat", "boat")
    house.described("c", "cat")
    assert house.found("boat", like="a")[0] == "b"


def test_filters_come_before_the_ranking(house: House) -> None:
    for n in range(5):
        house.described(f"cat{n}", "cat", tags=["cat"])
    house.world.later(60)
    early = house.world.now
    house.described("far", "boat", tags=["cat", "boat"], kind="chart")
    assert house.found("cat", after_ms=early) == ["far"]
    assert set(house.found("cat", before_ms=early)) == {f"cat{n}" for n in range(5)}
    assert house.found(tags=("cat", "boat")) == house.found(kind="chart") == house.found(like="cat0", tags=("boat",)) == ["far"]
    assert house.found()[0] == "far", "without a question: the newest first"


def test_what_was_suppressed_and_what_only_checked_a_text_is_not_found(house: House) -> None:
    house.described("hidden", alt="A weapon", verdict=Verdict(action="suppress"))
    job = house.world.accept("checked")
    no_words = replace(description(embedding=(MODEL, vector("cat").astype("<f2").tobytes())), annotations=())
    assert house.world.ledger.complete(house.world.claimed(job), no_words, None)
    assert house.found("weapon") == []
    assert house.found("cat") == []


def test_an_erased_asset_is_found_by_nothing_and_its_vector_is_gone(house: House, tmp_path: Path) -> None:
    house.described("gone", "cat", tags=["cat"], alt="A cat")
    house.described("stays", "cat")
    assert set(house.found("cat")) == {"gone", "stays"}
    house.world.ledger.erase_asset("s", "gone")
    stale = Searcher(house.world.ledger, house.index, house.words, fresh_ms=10**9)  # type: ignore[arg-type]
    answer = stale.search(Question(filter=SearchFilter(site_id="s"), text="cat"), built_in("general"))
    assert [hit.asset.asset_id for hit in answer.hits] == ["stays"], "at once, also before the index is brought up to date"
    assert house.found("cat") == ["stays"]
    assert house.index.vector("s", MODEL, "gone") is None
    house.described("gone", "cat", version="2")
    assert set(house.found("cat")) == {"gone", "stays"}, "put back"


def test_an_erased_site_leaves_no_vector(house: House) -> None:
    house.described("a", "cat")
    assert house.found("cat") == ["a"]
    house.world.later(1)
    house.world.ledger.erase_site("s")
    assert house.found("cat") == []
    assert dict(house.index.models("s")) == {}


def test_a_newer_description_takes_the_place_of_the_older(house: House) -> None:
    house.described("a", "cat", tags=["cat"], alt="A cat")
    assert house.found("cat") == ["a"]
    house.world.later(3600)
    house.described("a", "dog", tags=["dog"], alt="A dog", version="2")
    assert (house.found("cat"), house.found("dog")) == ([], ["a"])
    assert house.search("dog").hits[0].asset.first_ms < house.world.now - 3_000_000, "it was first described earlier"


def test_a_new_model_takes_over_without_a_gap(house: House) -> None:
    """The old index answers until the new one is as full; then it goes."""
    for n in range(3):
        house.described(f"a{n}", "cat")
    assert len(house.found(like="a0")) == 2
    for n in range(2):
        house.world.later(600)
        house.described(f"a{n}", "cat", model="lite-minilm@2", version="2")
        assert len(house.found(like="a0")) == 2, "by the old one, which still knows all"
    assert set(house.index.models("s")) == {MODEL, "lite-minilm@2"}
    house.world.later(600)
    house.described("a2", "cat", model="lite-minilm@2", version="2")
    assert len(house.found(like="a0")) == 2
    assert {model: state.vectors for model, state in house.index.models("s").items()} == {"lite-minilm@2": 3}


@pytest.mark.parametrize(("model", "told"), [(None, "reads no text"), ("gme@2", "have vectors of"), ("broken", "did not answer")])
def test_an_answer_says_when_vectors_were_not_compared(house: House, model: str | None, told: str) -> None:
    house.described("a", "cat", tags=["cat"])
    house.words = Words(model)
    answer = house.search("cat")
    assert [hit.matched_by for hit in answer.hits] == [("tag",)]
    assert answer.vectors is None
    assert told in answer.notes[0]
    assert render.answer(answer)["searched"]["vectors"] is None


def test_an_index_that_was_away_for_long_is_made_anew(house: House) -> None:
    """The notes of erased assets are kept for seven days."""
    house.described("gone", "cat")
    assert house.found("cat") == ["gone"]
    house.world.ledger.erase_asset("s", "gone")
    house.world.later(8 * 86_400)
    house.world.ledger.expire_rest(0)
    house.described("new", "cat")
    assert house.found("cat") == ["new"]
    assert house.index.vector("s", MODEL, "gone") is None


SITES = ("s", "t")
STEP = st.tuples(
    st.sampled_from(["describe", "erase"]), st.sampled_from(SITES), st.sampled_from("abc"), st.sampled_from(list(AXES))
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=10))
def test_no_site_ever_finds_what_is_another_s(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
) -> None:
    """The sites share the ids of their assets, and all that they find is what they hold now."""
    house = House(tmp_path_factory.mktemp("house"))
    try:
        house.world.site("t")
        held: dict[str, dict[str, str]] = {site: {} for site in SITES}
        for n, (what, site, asset, word) in enumerate(steps):
            house.world.later(1)
            if what == "erase":
                house.world.ledger.erase_asset(site, asset)
                held[site].pop(asset, None)
            else:
                house.described(asset, word, site=site, tags=[word], alt=f"{site} {word}", version=str(n))
                held[site][asset] = word
            for reader in SITES:
                hits = house.search(word, site=reader).hits
                assert {hit.asset.asset_id for hit in hits} == {a for a, w in held[reader].items() if w == word}
                texts = {a.value for hit in hits for a in hit.asset.annotations if a.field == "alt_text"}
                assert texts <= {f"{reader} {word}"}
    finally:
        house.world.ledger.close()
