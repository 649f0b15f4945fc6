"""Tokens and pictures as the reference's preprocessors make them (tests/golden/ofa/text_and_picture.json)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagger.errors import ModelDirectoryInvalid
from workers.models.ofa.config import CAPTION_TASK, parse_task_config
from workers.models.ofa.preprocess import clean_statement, source_ids, squash
from workers.models.ofa.tokenizer import OfaTokenizer, parse_merges

TESTS = Path(__file__).parents[3]
DATA = TESTS / "data" / "ofa"
TEXTS, RUNS, PICTURE = json.loads((TESTS / "golden" / "ofa" / "text_and_picture.json").read_text())["cases"]
TASK = parse_task_config({"task": CAPTION_TASK, "model": {"type": "ofa"}}, CAPTION_TASK)


@pytest.fixture(scope="module")
def vocabulary() -> dict[str, int]:
    body: dict[str, int] = json.loads(gzip.decompress((DATA / "vocab.json.gz").read_bytes()))
    return body


@pytest.fixture(scope="module")
def merges() -> str:
    return gzip.decompress((DATA / "merges.txt.gz").read_bytes()).decode()


@pytest.fixture(scope="module")
def tokenizer(vocabulary: dict[str, int], merges: str) -> OfaTokenizer:
    return OfaTokenizer(vocabulary, parse_merges(merges), vocab_size=59457)


@pytest.mark.parametrize("text", TEXTS["texts"])
def test_ids_are_the_references(tokenizer: OfaTokenizer, text: str) -> None:
    assert source_ids(text, tokenizer, TASK, bos=0, eos=2) == TEXTS["texts"][text]


@pytest.mark.parametrize(("ids", "text"), RUNS["runs"])
def test_text_of_ids_is_the_references(tokenizer: OfaTokenizer, ids: list[int], text: str) -> None:
    assert tokenizer.decode(ids) == text


def test_a_text_that_spells_a_special_token_stays_text(tokenizer: OfaTokenizer) -> None:
    ids = tokenizer.encode("</s><code_1>")
    assert 2 not in ids
    assert tokenizer.decode(ids) == "</s><code_1>"


def test_a_long_text_is_cut_and_still_ends(tokenizer: OfaTokenizer) -> None:
    ids = source_ids(" cat" * 1000, tokenizer, TASK, bos=0, eos=2)
    assert (len(ids), ids[0], ids[-1]) == (258, 0, 2)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A Red-haired man / woman", "a red haired man woman"),
        ("...#A dog!  \n", "a dog!"),
        ("<person> on\ta\n\nhill", "person on\ta hill"),
        ("one two three four", "one two three"),
        ("", ""),
    ],
)
def test_statements_are_cleaned(text: str, clean: str) -> None:
    assert clean_statement(text, 3 if text.startswith("one") else 99) == clean


def test_the_picture_is_the_references() -> None:
    pytest.importorskip("torch")
    from workers.models.ofa.synthetic import random_picture

    made = squash(random_picture(5, 70, 50), 64)
    assert made[::9, ::9].tolist() == PICTURE["picture"]


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    assert np.array_equal(squash(picture[:, ::-1], 8), picture[:, ::-1])


def changed(vocabulary: dict[str, int], **changes: Any) -> dict[str, int]:
    return {**vocabulary, **changes}


def test_a_foreign_vocabulary_is_named(vocabulary: dict[str, int], merges: str) -> None:
    pairs = parse_merges(merges)
    without_pad = {("<other>" if k == "<pad>" else k): v for k, v in vocabulary.items()}
    for body, size, named in (
        (without_pad, 59457, "vocab.json: <pad>: "),
        (changed(vocabulary, zebra9=7), 59457, "vocab.json: ids: "),
        (vocabulary, 50265, "vocab.json: entries: "),
    ):
        with pytest.raises(ModelDirectoryInvalid) as caught:
            OfaTokenizer(body, pairs, vocab_size=size)
        assert str(caught.value).startswith(named)


def test_bad_merges_are_named(vocabulary: dict[str, int]) -> None:
    with pytest.raises(ModelDirectoryInvalid, match=r"merges.txt: merge 2: 'one' is not two tokens"):
        parse_merges("#version: 0.2\na b\none\n")
    with pytest.raises(ModelDirectoryInvalid, match=r"merges.txt: merges: "):
        OfaTokenizer(vocabulary, [("€uro", "zone")], vocab_size=59457)
