"""OFA entailment: does a statement describe the picture? One pass; a softmax over the three answers' first tokens.

ModelScope scores each answer with its end token under a trie of the answers. Each answer is one token, and after it only
the end may follow, so that score is the softmax over the three logits at the last position of the decoder's prompt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tagger.errors import ModelError
from tagger.prediction import EntailmentPrediction, Pixels, Vector
from workers.models.base import PartialPrediction
from workers.models.ofa.batch import canary_pixels, padded_length, source_padding, stack
from workers.models.ofa.config import TASK_FILE, ModelConfig, TaskConfig, invalid
from workers.models.ofa.decoder import Decoder, place
from workers.models.ofa.encoder import Encoder
from workers.models.ofa.layers import Weights
from workers.models.ofa.positions import Biases, Positions
from workers.models.ofa.preprocess import clean_statement, source_ids, squash
from workers.models.ofa.tokenizer import OfaTokenizer

ANSWERS = ("yes", "maybe", "no")
CANARY_STATEMENT = "coloured waves that cross each other"


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


class EntailmentNetwork(nn.Module):
    """Encoder and decoder for one batch of pictures and statements of different lengths."""

    def __init__(self, w: Weights, config: ModelConfig, task: TaskConfig, answers: Sequence[int]) -> None:
        super().__init__()
        self.config, self.prompts = config, task.prompt_type == "prev_output"
        self.encoder = Encoder(w, config, task.mean, task.std)
        self.decoder = Decoder(w, config)
        self.positions = Positions(w, config, task.patch_image_size)
        self.answers = nn.Buffer(torch.tensor(answers))
        self.longest = 0
        self.biases: Biases | None = None

    @torch.inference_mode()
    def forward(self, pixels: Tensor, sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """uint8 [B, s, s, 3], B sources of ids → logits of the answers [B, 3] float32, source states [B, S, d]."""
        device, pad = pixels.device, self.config.pad_token_id
        length = padded_length(self.positions.patches, max(map(len, sources)))
        ids = _padded(sources, length, pad).to(device)
        biases = self._biases(length)
        padding = source_padding(self.positions.patches, ids, pad).to(biases.cross.dtype)
        if bool((padding == padding[:1]).all()):
            padding = padding[:1]  # one length for all: each layer adds it once, not per picture
        source = self.encoder(self.encoder.embed_images(pixels), self.encoder.embed_text(ids), biases.encoder, padding)

        prompts = [s[:-1] if self.prompts else s[:1] for s in sources]
        prompt = _padded(prompts, max(map(len, prompts)), pad).to(device)
        size = prompt.shape[1]
        memory = self.decoder.remember(source)
        hidden = self.decoder.prompt(prompt, biases.target[:, :, :size, :size], memory, biases.cross[None, :, :size] + padding)
        last = torch.tensor([len(p) - 1 for p in prompts], device=device)
        ends = hidden[torch.arange(len(prompts), device=device), last]  # [B, d]
        return self.decoder.logits(ends)[:, self.answers], source

    def _biases(self, text: int) -> Biases:
        """Biases for `text` source tokens: the upper left of the longest so far, which is made when first needed."""
        if self.biases is None or text > self.longest:
            self.longest = text
            like = self.encoder.text_kind
            self.biases = self.positions.build(text, text).to(like.device, like.dtype)
        size = self.positions.patches + text
        return Biases(self.biases.encoder[:, :, :size, :size], self.biases.target, self.biases.cross[:, :, :size])

    def forget_biases(self) -> None:
        """After a move to another device or precision."""
        self.longest, self.biases = 0, None


class OfaEntailment:
    """The model `ofa-entailment` for the engine; the instruction of `prepare` is the statement to check."""

    name = "ofa-entailment"

    def __init__(
        self, network: EntailmentNetwork, tokenizer: OfaTokenizer, config: ModelConfig, task: TaskConfig, revision: str
    ) -> None:
        self._network, self._tokenizer, self._config, self._task = network, tokenizer, config, task
        self.revision = revision
        self._golden = self.reading(self.run([self.canary()])[0])

    def to(self, device: torch.device, dtype: torch.dtype) -> OfaEntailment:
        """Moves the network; the golden vector stays the one that the CPU computed in float32."""
        place(self._network, self._network.decoder, device, dtype)
        self._network.forget_biases()
        return self

    def prepare(self, pixels: Pixels, instruction: str) -> Statement:
        text = self._task.prompt.format(clean_statement(instruction, self._task.max_src_length))
        ids = source_ids(text, self._tokenizer, self._task, bos=self._config.bos_token_id, eos=self._config.eos_token_id)
        return Statement(squash(pixels, self._task.patch_image_size), tuple(ids), instruction)

    def size(self, item: Statement) -> float:  # noqa: ARG002 - the picture outweighs the text
        return 1.0

    def run(self, batch: Sequence[Statement]) -> Sequence[RawEntailment]:
        pixels = stack([item.pixels for item in batch], self._network.answers.device)
        sources = [item.source for item in batch]
        sources += [sources[-1]] * (pixels.shape[0] - len(batch))
        logits, source = self._network(pixels, sources)
        means = source[: len(batch), : self._network.positions.patches].float().mean(1)
        answers = logits[: len(batch)]
        readings = torch.cat([answers, means], dim=1).cpu().numpy().astype(np.float32)
        return [RawEntailment(item.text, reading[: len(ANSWERS)], reading) for item, reading in zip(batch, readings, strict=True)]

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


def _padded(rows: Sequence[Sequence[int]], length: int, pad: int) -> Tensor:
    return torch.tensor([[*row, *[pad] * (length - len(row))] for row in rows])
