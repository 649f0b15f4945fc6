"""The parts of the search that goldens reach only by luck: the n-gram ban, and that a step never waits for the host."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from workers.models.ofa.config import SearchConfig, parse_model_config  # noqa: E402
from workers.models.ofa.decoder import Decoder  # noqa: E402
from workers.models.ofa.positions import Biases, token_buckets  # noqa: E402
from workers.models.ofa.search import BeamSearch, banned_tokens  # noqa: E402
from workers.models.ofa.synthetic import TINY, random_weights  # noqa: E402

PAD = 1
CONFIG = parse_model_config({**TINY, "vocab_size": 101})


def naive_ban(tokens: list[int], size: int) -> set[int]:
    if size == 0 or len(tokens) < size - 1:
        return set()
    suffix = tokens[len(tokens) - size + 1 :]
    return {tokens[i + size - 1] for i in range(len(tokens) - size + 1) if tokens[i : i + size - 1] == suffix}


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(st.integers(3, 5), min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    size=st.integers(0, 4),
    spare=st.integers(0, 4),
)
def test_the_ban_is_of_every_ngram_that_would_repeat(rows: list[list[int]], size: int, spare: int) -> None:
    tokens = torch.tensor([[*row, *[PAD] * spare] for row in rows])
    banned = banned_tokens(tokens, torch.tensor([len(rows[0]) - 1]), size, PAD)
    assert [set(row) - {PAD} for row in banned.tolist()] == [naive_ban(row, size) for row in rows]


def search_of(seed: int, **changes: int) -> tuple[BeamSearch, Biases]:
    weights = {k: torch.from_numpy(v) for k, v in random_weights(CONFIG, seed).items()}
    search = BeamSearch(Decoder(weights, CONFIG), CONFIG, SearchConfig(**changes))
    steps = search.positions
    causal = torch.full((steps, steps), -torch.inf).triu(1)
    heads = CONFIG.decoder_attention_heads
    return search, Biases(torch.empty(0), causal.expand(2, heads, -1, -1), torch.zeros(heads, steps, 12))


def test_a_step_never_asks_the_device_for_a_value_and_keeps_every_shape() -> None:
    """Under fake tensors any host synchronisation raises; so a step can be captured as a graph."""
    search, biases = search_of(0)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        state = search.allocate(3, 12)
        search.begin(state, mode.from_tensor(torch.zeros(3, 12, CONFIG.d_model)))
        before = {k: (v.shape, v.data_ptr) for k, v in vars(state).items() if k != "memory"}
        search.step(state, Biases(*(mode.from_tensor(t.contiguous()) for t in vars(biases).values())))
        assert {k: (v.shape, v.data_ptr) for k, v in vars(state).items() if k != "memory"} == before


def test_an_image_is_not_changed_by_its_neighbours() -> None:
    search, biases = search_of(3)
    source = torch.randn(4, 12, CONFIG.d_model, generator=torch.Generator().manual_seed(1))
    together = search.run(source, biases)
    for i in range(4):
        alone = search.run(source[i : i + 1], biases)
        for rank in range(5):
            assert together.sentence(i, rank, 2) == alone.sentence(0, rank, 2)
        torch.testing.assert_close(together.scores[i], alone.scores[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("shortest", "longest", "size"), [(0, 0, 3), (3, 3, 1), (1, 6, 2), (5, 20, 0)])
def test_sentences_keep_their_limits(shortest: int, longest: int, size: int) -> None:
    search, biases = search_of(5, min_len=shortest, max_len_b=longest, no_repeat_ngram_size=size, beam_size=4)
    found = search.run(torch.randn(2, 12, CONFIG.d_model, generator=torch.Generator().manual_seed(2)), biases)
    for image in range(2):
        ends = [rank for rank in range(4) if found.scores[image, rank] > -torch.inf]
        assert ends
        for rank in ends:
            words = found.sentence(image, rank, 2)[:-1]
            assert shortest <= len(words) <= longest
            grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)] if size else []
            assert len(grams) == len(set(grams))
            assert not {0, PAD, 2} & set(words) - {0}
        assert found.scores[image].tolist() == sorted(found.scores[image].tolist(), reverse=True)


def test_token_buckets_are_exact_when_near_and_coarse_when_far() -> None:
    buckets = token_buckets(8)
    assert buckets[100, 96:105].tolist() == [7 + d for d in (4, 3, 2, 1, 0, -1, -2, -3, -4)]
    assert buckets[1023, 0] == 14
    assert buckets[0, 1023] == 0
    assert (buckets[500, :400].unique().numel(), buckets.min(), buckets.max()) <= (4, 0, 14)
