"""The contract of a store of uploaded bytes. To test a store: subclass `BlobsContract`, define `blobs` and `same_blobs`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tagger.blobs import Blobs
from tagger.errors import NotFound

BODY = bytes(range(256)) * 40
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def nothing(_keys: Sequence[str]) -> list[str]:
    return []


class BlobsContract:
    @pytest.fixture
    def blobs(self) -> Blobs:
        raise NotImplementedError("the new, empty store under test")

    @pytest.fixture
    def same_blobs(self) -> Blobs:
        raise NotImplementedError("the same store, opened once more, as another process opens it")

    @pytest.mark.parametrize("data", [b"", b"\0", BODY], ids=["empty", "one byte", "many bytes"])
    def test_the_bytes_come_back_in_another_process_too(self, blobs: Blobs, same_blobs: Blobs, data: bytes) -> None:
        key = blobs.put(data)
        assert blobs.get(key) == data
        assert same_blobs.get(key) == data

    def test_equal_bytes_have_a_key_each_so_that_one_job_deletes_only_its_own(self, blobs: Blobs) -> None:
        first, second = blobs.put(BODY), blobs.put(BODY)
        assert first != second
        blobs.delete(first)
        assert blobs.get(second) == BODY

    def test_deleted_bytes_are_gone_and_a_second_delete_is_no_error(self, blobs: Blobs, same_blobs: Blobs) -> None:
        key = blobs.put(BODY)
        blobs.delete(key)
        blobs.delete(key)
        for store in (blobs, same_blobs):
            with pytest.raises(NotFound):
                store.get(key)

    @pytest.mark.parametrize("key", ["", ".", "../../etc/passwd", "/etc/passwd", "a" * 64, "a" * 64 + "-" + "0" * 16 + "\n"])
    def test_text_that_is_no_key_finds_nothing(self, blobs: Blobs, key: str) -> None:
        with pytest.raises(NotFound):
            blobs.get(key)

    def test_a_key_fits_the_ledger_and_a_url(self, blobs: Blobs) -> None:
        key = blobs.put(BODY)
        assert len(key) <= 128
        assert set(key) <= set("0123456789abcdefghijklmnopqrstuvwxyz-_")

    def test_a_sweep_deletes_what_is_old_and_not_needed(self, blobs: Blobs) -> None:
        needed, orphan = blobs.put(b"a"), blobs.put(b"b")
        asked: list[str] = []

        def keep(keys: Sequence[str]) -> list[str]:
            asked.extend(keys)
            return [needed]

        assert blobs.sweep(now_ms() + DAY_MS, keep) == 1
        assert sorted(asked) == sorted([needed, orphan])
        assert blobs.get(needed) == b"a"
        with pytest.raises(NotFound):
            blobs.get(orphan)

    def test_a_sweep_leaves_what_is_young(self, blobs: Blobs) -> None:
        key = blobs.put(BODY)
        assert blobs.sweep(now_ms() - DAY_MS, nothing) == 0
        assert blobs.get(key) == BODY

    def test_threads_and_processes_use_the_store_at_once(self, blobs: Blobs, same_blobs: Blobs) -> None:
        def work(number: int) -> None:
            store = (blobs, same_blobs)[number % 2]
            for turn in range(5):
                key = store.put(b"%d" % turn)
                assert store.get(key) == b"%d" % turn
                store.delete(key)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        assert blobs.sweep(now_ms() + DAY_MS, nothing) == 0
