"""What every index of vectors must do. The tests of each index inherit all of it, with a fixture `index`."""

from __future__ import annotations

import numpy as np
import pytest

from tagger.prediction import Vector
from tagger.search.asset_key import asset_key
from tagger.search.index import Entry, VectorIndex

MODEL = "m@1"
NUMBERS = 16


def some_vectors(count: int, seed: int = 7) -> Vector:
    """[count, NUMBERS], each of length one."""
    rows = np.random.default_rng(seed).normal(size=(count, NUMBERS))
    made: Vector = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def entries(vectors: Vector, *, job: str = "job_1", first: int = 0) -> list[Entry]:
    return [
        Entry(asset_id=f"a{first + n}", job_id=job, vector=vector.astype("<f2").tobytes()) for n, vector in enumerate(vectors)
    ]


def nearest(index: VectorIndex, query: Vector, *, site: str = "s", limit: int = 10, **more: object) -> list[str]:
    return [match.asset_id for match in index.search(site, MODEL, query, limit=limit, **more)]  # type: ignore[arg-type]


class VectorIndexContract:
    def test_the_nearest_come_first_with_their_cosine(self, index: VectorIndex) -> None:
        vectors = some_vectors(300)
        index.put("s", MODEL, entries(vectors))
        query = some_vectors(1, seed=9)[0]
        found = index.search("s", MODEL, query, limit=10)
        cosines = vectors @ query
        assert [match.asset_id for match in found] == [f"a{n}" for n in np.argsort(-cosines)[:10]]
        assert [match.similarity for match in found] == pytest.approx(np.sort(cosines)[::-1][:10].tolist(), abs=2e-3)

    def test_a_site_never_sees_the_vectors_of_another(self, index: VectorIndex) -> None:
        vectors = some_vectors(20)
        index.put("s", MODEL, entries(vectors[:10]))
        index.put("other", MODEL, entries(vectors[10:], first=10))
        assert set(nearest(index, vectors[15], limit=50)) == {f"a{n}" for n in range(10)}
        assert nearest(index, vectors[15], site="third") == []
        assert index.vector("other", MODEL, "a3") is None

    def test_a_filter_comes_before_the_ranking(self, index: VectorIndex) -> None:
        """Filtering the ten nearest would leave none."""
        vectors = some_vectors(300)
        index.put("s", MODEL, entries(vectors))
        last = [f"a{n}" for n in np.argsort(-(vectors @ vectors[0]))[-3:]]
        assert nearest(index, vectors[0], among=[*last, "unknown"]) == last
        assert nearest(index, vectors[0], among=[]) == []

    def test_a_new_vector_of_an_asset_takes_the_place_of_the_old_one(self, index: VectorIndex) -> None:
        old, new = some_vectors(2)
        index.put("s", MODEL, entries(old[None]))
        index.put("s", MODEL, entries(new[None], job="job_2"))
        [match] = index.search("s", MODEL, new, limit=5)
        assert (match.asset_id, round(match.similarity, 2)) == ("a0", 1.0)
        assert index.jobs("s", MODEL, ["a0", "a1"]) == {"a0": "job_2"}
        stored = index.vector("s", MODEL, "a0")
        assert stored is not None
        assert float(stored @ new) == pytest.approx(1.0, abs=2e-3)

    def test_a_forgotten_asset_is_gone_in_the_indexes_of_all_models_and_its_place_is_used_again(self, index: VectorIndex) -> None:
        vectors = some_vectors(5)
        index.put("s", MODEL, entries(vectors[:4]))
        index.put("s", "m@2", entries(vectors[:4]))
        index.forget("s", [asset_key("s", "a1"), asset_key("s", "unknown")])
        assert set(nearest(index, vectors[1])) == {"a0", "a2", "a3"}
        assert index.vector("s", "m@2", "a1") is None
        index.put("s", MODEL, entries(vectors[4:], first=9))
        assert nearest(index, vectors[4])[0] == "a9"
        assert {model: state.vectors for model, state in index.models("s").items()} == {MODEL: 4, "m@2": 3}

    def test_the_index_of_a_model_is_dropped_alone(self, index: VectorIndex) -> None:
        vectors = some_vectors(4)
        index.put("s", MODEL, entries(vectors))
        index.put("s", "m@2", entries(vectors, job="job_2"))
        assert index.models("s")["m@2"].newest_job == "job_2"
        index.drop("s", MODEL)
        assert nearest(index, vectors[0]) == []
        assert (list(index.models("s")), index.names("s"), index.names("never-there")) == (["m@2"], ["m@2"], [])

    def test_the_position_is_kept_and_goes_with_everything_else(self, index: VectorIndex) -> None:
        assert index.position("s") is None
        index.put("s", MODEL, entries(some_vectors(3)))
        index.advance("s", 1_790_000_000_000)
        index.advance("s", 1_790_000_000_001)
        assert index.position("s") == 1_790_000_000_001
        index.clear("s")
        assert (index.position("s"), dict(index.models("s"))) == (None, {})
        index.clear("never-there")

    def test_names_of_any_kind(self, index: VectorIndex) -> None:
        """An id is the text of a CMS: a quote, a slash, a line break, Chinese."""
        names = ["it's", "../../etc", "a\nb", "图片 1", '"', "%_"]
        vectors = some_vectors(len(names))
        made = [
            Entry(asset_id=name, job_id="job_1", vector=vector.astype("<f2").tobytes())
            for name, vector in zip(names, vectors, strict=True)
        ]
        index.put("s", MODEL, made)
        assert set(nearest(index, vectors[0])) == set(names)
        assert nearest(index, vectors[0], among=["图片 1"]) == ["图片 1"]

    def test_a_question_of_another_size_finds_nothing(self, index: VectorIndex) -> None:
        index.put("s", MODEL, entries(some_vectors(3)))
        assert index.search("s", MODEL, np.ones(NUMBERS + 1, np.float32), limit=3) == []
