"""A batch of one fixed shape, in buffers that never move. A CUDA device runs OFA in such sessions.

Everything that one shape needs is allocated once and recorded once (graph.py). A batch is then: copy the pictures in, replay,
read the answers. Rows beyond the batch repeat its last item and are not read. On a CPU the same sessions run unrecorded,
so that the tests can compare them with the plain path.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tagger.prediction import Pixels
from workers.models.ofa.batch import fill
from workers.models.ofa.caption_network import CaptionNetwork
from workers.models.ofa.entailment_network import EntailmentNetwork
from workers.models.ofa.graph import LateLook, Recorder
from workers.models.ofa.search import Hypotheses


class CaptionSession:
    """Encoder and decoding step for `rows` pictures, each one recording."""

    @torch.inference_mode()
    def __init__(self, network: CaptionNetwork, rows: int, side: int, record: Recorder) -> None:
        """`side`: of a picture, in pixels."""
        text = network.text
        self._network, self._search = network, network.search
        self._pixels = torch.zeros((rows, side, side, 3), dtype=torch.uint8, device=text.device)
        self._source = text.new_zeros((rows, network.source_length, text.shape[2]))  # [B, S, d]
        self._state = self._search.allocate(rows, network.source_length)
        self._encode = record(self._read)
        self._read()  # so that a step that is warmed up finds a beginning
        self._step = record(lambda: self._search.step(self._state, network.biases))
        self._look = LateLook(self._state.over)

    def _read(self) -> None:
        self._source.copy_(self._network.encode(self._pixels))
        self._search.begin(self._state, self._source)

    @torch.inference_mode()
    def run(self, batch: Sequence[Pixels]) -> tuple[Hypotheses, Tensor]:
        """At most `rows` pictures [side, side, 3] → sentences and source states of all rows; valid until the next run.

        After the last sentence has ended there is no place for another one, so reading the flag late changes nothing.
        """
        fill(self._pixels, batch)
        self._encode()
        for step in range(self._search.positions):
            self._step()
            if self._look.after(step):
                break
        return self._search.found(self._state), self._source


class EntailmentSession:
    """The one pass for `rows` pictures with statements of at most `text` tokens, as one recording."""

    @torch.inference_mode()
    def __init__(self, network: EntailmentNetwork, rows: int, text: int, side: int, record: Recorder) -> None:
        device, pad = network.answers.device, network.config.pad_token_id
        self._network, self._rows, self._text = network, rows, text
        self._pixels = torch.zeros((rows, side, side, 3), dtype=torch.uint8, device=device)
        self._ids = torch.full((rows, text), pad, device=device)
        self._prompt = torch.full((rows, text), pad, device=device)
        self._last = torch.zeros(rows, dtype=torch.long, device=device)
        self._biases = network.biases_for(text)  # held: a longer statement makes the network build others
        self._logits = torch.zeros((rows, len(network.answers)), device=device)
        self._source = network.encoder.text_kind.new_zeros((rows, network.positions.patches + text, network.config.d_model))
        self._pass = record(self._answer)

    def _answer(self) -> None:
        padding = self._network.padding(self._ids)
        logits, source = self._network.compute(self._pixels, self._ids, padding, self._prompt, self._last, self._biases)
        self._logits.copy_(logits)
        self._source.copy_(source)

    @torch.inference_mode()
    def run(self, batch: Sequence[Pixels], sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Logits of the answers [rows, 3] and source states [rows, S, d]; valid until the next run."""
        repeated = [*sources, *[sources[-1]] * (self._rows - len(sources))]
        ids, prompt, last = self._network.inputs(repeated, self._text, self._text)
        fill(self._pixels, batch)
        for kept, new in ((self._ids, ids), (self._prompt, prompt), (self._last, last)):
            kept.copy_(new)
        self._pass()
        return self._logits, self._source
