"""OFA captioning: from pixels to the best sentence and its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tagger.errors import ModelError
from tagger.prediction import CaptionPrediction, Pixels, Vector
from workers.models.accelerator import staged
from workers.models.base import PartialPrediction
from workers.models.ofa.batch import canary_pixels, fixed_batch, fixed_sizes, stack
from workers.models.ofa.caption_network import CaptionNetwork
from workers.models.ofa.config import ModelConfig, TaskConfig
from workers.models.ofa.decoder import place
from workers.models.ofa.graph import recorder
from workers.models.ofa.layers import Weights
from workers.models.ofa.preprocess import source_ids, squash
from workers.models.ofa.search import Hypotheses
from workers.models.ofa.session import CaptionSession
from workers.models.ofa.tokenizer import OfaTokenizer


@dataclass(frozen=True, eq=False)
class RawCaption:
    tokens: tuple[int, ...]  # without bos, with eos
    log_prob: float  # mean per token, the end token counted
    reading: Vector  # [2·d] mean, and root of the mean square, of the source states: for the canary


class OfaCaption:
    """The model `ofa-caption` for the engine (see `workers/models/base.py`)."""

    name = "ofa-caption"

    def __init__(self, network: CaptionNetwork, tokenizer: OfaTokenizer, task: TaskConfig, eos: int, revision: str) -> None:
        self._network, self._tokenizer, self._task, self._eos = network, tokenizer, task, eos
        self.revision = revision
        self._device, self._fixed = network.text.device, False
        self._record = recorder(self._device)
        self._sessions: dict[int, CaptionSession] = {}  # by rows
        self._golden = self.reading(self.run([self.canary()])[0])

    def to(self, device: torch.device, dtype: torch.dtype, *, fixed: bool | None = None) -> OfaCaption:
        """Moves the network. The golden vector is still the one that the CPU computed in float32.

        `fixed`: use batches of few fixed shapes, which are recorded if the device supports it (session.py). By default this
        is off on a CPU, where it is not faster.
        """
        place(self._network, self._network.decoder, device, dtype)
        self._device, self._fixed = device, device.type != "cpu" if fixed is None else fixed
        self._record = recorder(device)
        self._sessions.clear()
        return self

    def shapes(self, most: int) -> tuple[int, ...]:
        """See `FixedShapes`."""
        return fixed_sizes(most) if self._fixed else ()

    def prepare(self, pixels: Pixels, instruction: str) -> Pixels:  # noqa: ARG002 - the prompt is the directory's
        """[h, w, 3] → [size, size, 3] uint8. OFA was trained on one prompt, so the instruction is ignored."""
        return staged(squash(pixels, self._task.patch_image_size), self._device)

    def size(self, item: Pixels) -> float:  # noqa: ARG002 - every picture is squashed to one size
        return 1.0

    def run(self, batch: Sequence[Pixels]) -> Sequence[RawCaption]:
        sentences, source = self._session(len(batch)).run(batch) if self._fixed else self._network(stack(batch).to(self._device))
        count = len(batch)
        states = source[:count].float()
        readings = torch.cat([states.mean(1), states.square().mean(1).sqrt()], dim=1).cpu().numpy()
        best = Hypotheses(sentences.tokens[:count, :1].cpu(), sentences.scores[:count, :1].cpu())
        return [
            RawCaption(tuple(best.sentence(i, 0, self._eos)), float(best.scores[i, 0]), readings[i].astype(np.float32))
            for i in range(count)
        ]

    def _session(self, count: int) -> CaptionSession:
        rows = fixed_batch(count)
        if rows not in self._sessions:
            self._sessions[rows] = CaptionSession(self._network, rows, self._task.patch_image_size, self._record)
        return self._sessions[rows]

    def finish(self, raw: RawCaption, pixels: Pixels) -> PartialPrediction:  # noqa: ARG002
        """Raises ModelError if the model gave no finite score."""
        if not math.isfinite(raw.log_prob):
            raise ModelError("ofa-caption gave no finite score")
        model = f"{self.name}@{self.revision}"
        text = self._tokenizer.decode(raw.tokens).strip()
        caption = CaptionPrediction(model=model, text=text, score=min(1.0, math.exp(raw.log_prob)), log_prob=raw.log_prob)
        return PartialPrediction(model=model, caption=caption)

    def canary(self) -> Pixels:
        return canary_pixels(self._task.patch_image_size)

    def golden(self) -> Vector:
        return self._golden

    def reading(self, raw: RawCaption) -> Vector:
        return raw.reading


def make_caption(w: Weights, config: ModelConfig, task: TaskConfig, tokenizer: OfaTokenizer, revision: str) -> OfaCaption:
    prompt = source_ids(task.prompt, tokenizer, task, bos=config.bos_token_id, eos=config.eos_token_id)
    network = CaptionNetwork(w, config, task, prompt).eval()
    return OfaCaption(network, tokenizer, task, config.eos_token_id, revision)
