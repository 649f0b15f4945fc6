"""The exact index: the contract of every index, what a crash leaves, and what an erased vector leaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.vector_index_contract import MODEL, NUMBERS, VectorIndexContract, entries, nearest, some_vectors

from tagger.search.asset_key import asset_key
from tagger.search.exact import ExactIndex
from tagger.search.exact_files import SiteFiles
from tagger.search.index import Entry
from tagger.search.scan import cosines


@pytest.fixture
def index(tmp_path: Path) -> ExactIndex:
    return ExactIndex(tmp_path / "search")


class TestExact(VectorIndexContract):
    pass


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "search").rglob("*.f16"))


def test_another_process_finds_what_was_stored(tmp_path: Path, index: ExactIndex) -> None:
    vectors = some_vectors(10)
    index.put("s", MODEL, entries(vectors))
    assert nearest(ExactIndex(tmp_path / "search"), vectors[3])[0] == "a3"


def test_no_byte_of_an_erased_vector_stays(tmp_path: Path, index: ExactIndex) -> None:
    vectors = some_vectors(10)
    secret = vectors[4].astype("<f2").tobytes()
    index.put("s", MODEL, [*entries(vectors[:4]), Entry(asset_id="asset-4711", job_id="job_1", vector=secret)])

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in sorted((tmp_path / "search").rglob("*")) if path.is_file())

    assert secret in on_disk()
    assert b"asset-4711" in on_disk()
    index.forget("s", [asset_key("s", "asset-4711")])
    assert secret not in on_disk()
    assert b"asset-4711" not in on_disk()


def test_a_crash_between_the_vector_and_its_row_changes_no_answer(
    tmp_path: Path, index: ExactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vector is in the file and the row was not committed. The same change comes again, because the position stayed."""
    vectors = some_vectors(12)
    index.put("s", MODEL, entries(vectors[:10]))
    index.advance("s", 5)

    class Killed(BaseException):
        pass

    def killed(self: SiteFiles, *_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(SiteFiles, "name", killed)
        with pytest.raises(Killed):
            index.put("s", MODEL, entries(vectors[10:], first=10))
    again = ExactIndex(tmp_path / "search")
    assert set(nearest(again, vectors[10], limit=50)) == {f"a{n}" for n in range(10)}
    assert again.position("s") == 5
    again.put("s", MODEL, entries(vectors[10:], first=10))
    assert nearest(again, vectors[11], limit=50)[0] == "a11"


@pytest.mark.parametrize("loss", ["cut", "gone"])
def test_a_lost_file_is_noticed_and_the_index_is_made_anew(tmp_path: Path, index: ExactIndex, loss: str) -> None:
    vectors = some_vectors(10)
    index.put("s", MODEL, entries(vectors))
    index.advance("s", 5)
    [file] = files(tmp_path)
    file.unlink() if loss == "gone" else file.write_bytes(file.read_bytes()[:40])
    assert index.position("s") is None
    assert nearest(index, vectors[0]) == []


def test_a_database_that_is_no_database_is_made_anew(tmp_path: Path, index: ExactIndex) -> None:
    vectors = some_vectors(3)
    index.put("s", MODEL, entries(vectors))
    index.advance("s", 5)
    [database] = (tmp_path / "search").rglob("index.sqlite")
    database.write_bytes(b"not a database, but long enough to be read as one" * 40)
    assert index.position("s") is None
    index.clear("s")
    index.put("s", MODEL, entries(vectors))
    assert nearest(index, vectors[2])[0] == "a2"


def test_searches_and_changes_at_once(index: ExactIndex) -> None:
    """Every answer names assets that were there, and the asset itself comes first."""
    vectors = some_vectors(200)
    index.put("s", MODEL, entries(vectors[:100]))

    def write(n: int) -> None:
        index.put("s", MODEL, entries(vectors[100 + n : 101 + n], first=100 + n))
        index.forget("s", [asset_key("s", f"a{100 + n}")])

    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write, n) for n in range(20)]
        found = list(pool.map(lambda n: nearest(index, vectors[n])[0], range(40)))
        for done in writes:
            done.result()
    assert found == [f"a{n}" for n in range(40)]
    assert index.models("s")[MODEL].vectors == 100


@given(st.lists(st.floats(-1, 1, width=16), min_size=NUMBERS, max_size=NUMBERS), st.integers(1, 5))
def test_the_integer_way_to_float32_changes_no_number(row: list[float], count: int) -> None:
    """Subnormal numbers and both zeros among them."""
    matrix = np.array([row] * count, np.float16)
    query = np.linspace(-1, 1, NUMBERS, dtype=np.float32)
    assert cosines(matrix, query) == pytest.approx(matrix.astype(np.float32) @ query, rel=1e-5, abs=1e-7)


def test_blocks_and_threads_change_no_number() -> None:
    matrix = np.random.default_rng(3).normal(size=(40_000, 8)).astype(np.float16)
    query = np.arange(8, dtype=np.float32)
    assert np.allclose(cosines(matrix, query), matrix.astype(np.float32) @ query, rtol=1e-5, atol=1e-5)
