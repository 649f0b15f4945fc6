"""OFA in fixed shapes, as a CUDA device runs it, on a CPU: recorded once, replayed for every batch, and nothing changes.

The tape below is to a CPU what a graph is to a CUDA device: the operations of one run, with the very tensors that they read
and wrote; a replay repeats them without any Python between, so whatever was decided or moved in Python would show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from support.ofa_directory import caption_directory, entailment_directory  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from workers.models.ofa import caption, entail  # noqa: E402
from workers.models.ofa.graph import LateLook, Work  # noqa: E402
from workers.models.ofa.load import load_caption, load_entailment  # noqa: E402
from workers.models.ofa.synthetic import random_picture  # noqa: E402

CPU = torch.device("cpu")


class Tape(TorchDispatchMode):
    """Operations of one run of some work, and their replay."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[Any, Any, Any, Any]] = []
        self.replays = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default, "asks the device for a value"
        out = func(*args, **(kwargs or {}))
        self.steps.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        self.replays += 1
        for func, args, kwargs, out in self.steps:
            again = func(*args, **kwargs)
            read = {t.untyped_storage().data_ptr() for t in tensors((args, kwargs))}
            for kept, new in zip(tensors(out), tensors(again), strict=True):
                if kept.untyped_storage().data_ptr() not in read:  # neither a view nor changed in place
                    kept.copy_(new)


def tensors(tree: Any) -> list[Any]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


TAPES: list[Tape] = []


def tape(work: Work) -> Work:
    TAPES.append(made := Tape())
    with made:
        work()
    return made.replay


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    TAPES.clear()
    for module in (caption, entail):
        monkeypatch.setattr(module, "recorder", lambda _device: tape)
    return TAPES


BATCHES = ((0, 3), (3, 4), (0, 3), (4, 9), (1, 2))  # three shapes; one of them thrice, with other pictures between


def answers(model: Any, items: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    return [read(raw) for low, high in BATCHES for raw in model.run(items[low:high])]


def test_replayed_captions_are_those_of_the_plain_path(tmp_path: Path, taped: list[Tape]) -> None:
    folder = caption_directory(tmp_path)
    plain, fixed = load_caption(folder), load_caption(folder).to(CPU, torch.float32, fixed=True)
    items = [plain.prepare(random_picture(seed), "") for seed in range(9)]
    wanted, found = answers(plain, items, lambda raw: raw), answers(fixed, items, lambda raw: raw)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.tokens == theirs.tokens
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-5)
        assert ours.reading == pytest.approx(theirs.reading, abs=1e-4)
    assert len({len(raw.tokens) for raw in wanted}) > 1  # the comparison bites: sentences end at different steps
    assert len(taped) == 2 * 3  # one encoder and one step per shape, however many batches
    assert min(t.replays for t in taped) >= 1


def test_replayed_answers_are_those_of_the_plain_path(tmp_path: Path, taped: list[Tape]) -> None:
    folder = entailment_directory(tmp_path)
    plain, fixed = load_entailment(folder), load_entailment(folder).to(CPU, torch.float32, fixed=True)
    texts = ("a dog", "a red car before a house", "two cats on a very long red sofa in the late sun of a day in May")
    items = [plain.prepare(random_picture(seed), texts[seed % 3]) for seed in range(9)]
    wanted, found = (answers(model, items, lambda raw: raw.reading) for model in (plain, fixed))
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    shapes = len(fixed._sessions)
    assert len(taped) == shapes
    answers(fixed, items, lambda raw: raw)
    assert len(taped) == shapes


def test_sessions_that_are_long_unused_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entail, "SESSIONS", 2)
    model = load_entailment(entailment_directory(tmp_path)).to(CPU, torch.float32, fixed=True)
    item = model.prepare(random_picture(1), "a dog")
    for count in (1, 2, 1, 4):
        model.run([item] * count)
    assert [rows for rows, _ in model._sessions] == [1, 4]


def test_the_sizes_to_warm_are_named_only_where_shapes_are_fixed(tmp_path: Path) -> None:
    model = load_caption(caption_directory(tmp_path))
    assert model.shapes(16) == ()
    assert model.to(CPU, torch.float32, fixed=True).shapes(12) == (1, 2, 4, 8, 16)


def test_a_flag_is_seen_one_step_late() -> None:
    flag = torch.zeros(1, dtype=torch.bool)
    look = LateLook(flag)
    seen = []
    for step in range(4):
        flag.fill_(step >= 1)
        seen.append(look.after(step))
    assert seen == [False, False, True, True]
    flag.fill_(True)
    assert look.after(0) is False  # a new search does not see the end of the last one
