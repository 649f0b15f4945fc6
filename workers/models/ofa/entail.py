"""OFA entailment: does a statement describe the picture? One pass; a softmax over the three answers' first tokens.

ModelScope scores each answer with its end token under a trie of the answers. Each answer is one token, and after it only
the end may follow, so that score is the softmax over the three logits at the last position of the decoder's prompt.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tagger.errors import ModelError
from tagger.prediction import EntailmentPrediction, Pixels, Vector
from workers.models.accelerator import staged
from workers.models.base import PartialPrediction
from workers.models.ofa.batch import canary_pixels, fixed_batch, fixed_sizes, stack
from workers.models.ofa.config import TASK_FILE, ModelConfig, TaskConfig, invalid
from workers.models.ofa.decoder import place
from workers.models.ofa.entailment_network import EntailmentNetwork
from workers.models.ofa.graph import recorder
from workers.models.ofa.layers import Weights
from workers.models.ofa.preprocess import clean_statement, source_ids, squash
from workers.models.ofa.session import EntailmentSession
from workers.models.ofa.tokenizer import OfaTokenizer

ANSWERS = ("yes", "maybe", "no")
CANARY_STATEMENT = "coloured waves that cross each other"
SESSIONS = 16  # kept, the longest unused goes first: a shape is a batch size and a text length


@dataclass(frozen=True, eq=False)
class Statement:
    """A picture and a statement about it, ready for the device."""

    pixels: Pixels  # [size, size, 3]
    source: tuple[int, ...]  # bos … eos
    text: str  # as it was asked


@dataclass(frozen=True, eq=False)
class RawEntailment:
    text: str
    logits: Vector  # [3] of ANSWERS
    reading: Vector  # [3 + d] those, and the mean of the source states


class OfaEntailment:
    """The model `ofa-entailment` for the engine; the instruction of `prepare` is the statement to check."""

    name = "ofa-entailment"

    def __init__(
        self, network: EntailmentNetwork, tokenizer: OfaTokenizer, config: ModelConfig, task: TaskConfig, revision: str
    ) -> None:
        self._network, self._tokenizer, self._config, self._task = network, tokenizer, config, task
        self.revision = revision
        self._device, self._fixed = network.answers.device, False
        self._record = recorder(self._device)
        self._sessions: OrderedDict[tuple[int, int], EntailmentSession] = OrderedDict()  # by rows and text length
        self._golden = self.reading(self.run([self.canary()])[0])

    def to(self, device: torch.device, dtype: torch.dtype, *, fixed: bool | None = None) -> OfaEntailment:
        """Moves the network; the golden vector stays the one that the CPU computed in float32. `fixed`: as OfaCaption's."""
        place(self._network, self._network.decoder, device, dtype)
        self._network.forget_biases()
        self._device, self._fixed = device, device.type != "cpu" if fixed is None else fixed
        self._record = recorder(device)
        self._sessions.clear()
        return self

    def shapes(self, most: int) -> tuple[int, ...]:
        """See `FixedShapes`."""
        return fixed_sizes(most) if self._fixed else ()

    def prepare(self, pixels: Pixels, instruction: str) -> Statement:
        text = self._task.prompt.format(clean_statement(instruction, self._task.max_src_length))
        ids = source_ids(text, self._tokenizer, self._task, bos=self._config.bos_token_id, eos=self._config.eos_token_id)
        return Statement(staged(squash(pixels, self._task.patch_image_size), self._device), tuple(ids), instruction)

    def size(self, item: Statement) -> float:  # noqa: ARG002 - the picture outweighs the text
        return 1.0

    def run(self, batch: Sequence[Statement]) -> Sequence[RawEntailment]:
        pictures, sources = [item.pixels for item in batch], [item.source for item in batch]
        if self._fixed:
            logits, source = self._session(fixed_batch(len(batch)), self._network.text_length(sources)).run(pictures, sources)
        else:
            logits, source = self._network(stack(pictures).to(self._device), sources)
        means = source[: len(batch), : self._network.positions.patches].float().mean(1)
        answers = logits[: len(batch)]
        readings = torch.cat([answers, means], dim=1).cpu().numpy().astype(np.float32)
        return [RawEntailment(item.text, reading[: len(ANSWERS)], reading) for item, reading in zip(batch, readings, strict=True)]

    def _session(self, rows: int, text: int) -> EntailmentSession:
        key = (rows, text)
        if key not in self._sessions:
            self._sessions[key] = EntailmentSession(self._network, rows, text, self._task.patch_image_size, self._record)
        self._sessions.move_to_end(key)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return self._sessions[key]

    def finish(self, raw: RawEntailment, pixels: Pixels) -> PartialPrediction:  # noqa: ARG002
        """Raises ModelError if an answer has no finite score."""
        if not np.isfinite(raw.logits).all():
            raise ModelError("ofa-entailment gave no finite score")
        weights = [math.exp(v) for v in (raw.logits - raw.logits.max()).tolist()]
        yes, maybe, no = (v / sum(weights) for v in weights)
        model = f"{self.name}@{self.revision}"
        answer = EntailmentPrediction(model=model, text=raw.text, yes=yes, maybe=maybe, no=no)
        return PartialPrediction(model=model, entailment=(answer,))

    def canary(self) -> Statement:
        return self.prepare(canary_pixels(self._task.patch_image_size), CANARY_STATEMENT)

    def golden(self) -> Vector:
        return self._golden

    def reading(self, raw: RawEntailment) -> Vector:
        return raw.reading


def make_entailment(
    w: Weights, config: ModelConfig, task: TaskConfig, tokenizer: OfaTokenizer, answers: Mapping[str, object], revision: str
) -> OfaEntailment:
    """Raises ModelDirectoryInvalid if the answers are not yes, maybe and no, or one is not a single token."""
    network = EntailmentNetwork(w, config, task, answer_tokens(tokenizer, answers)).eval()
    return OfaEntailment(network, tokenizer, config, task, revision)


def answer_tokens(tokenizer: OfaTokenizer, answers: Mapping[str, object]) -> list[int]:
    """The token of each of ANSWERS."""
    if set(answers) != set(ANSWERS):
        raise invalid(TASK_FILE, "model.answer2label", f"has the answers {sorted(answers)}, not {sorted(ANSWERS)}")
    tokens = [tokenizer.encode(f" {answer}") for answer in ANSWERS]
    for answer, ids in zip(ANSWERS, tokens, strict=True):
        if len(ids) != 1:
            raise invalid(TASK_FILE, "model.answer2label", f"{answer!r} is {len(ids)} tokens, not one")
    return [ids[0] for ids in tokens]
