"""The network of OFA entailment. It makes one pass over picture, statement and decoder prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workers.models.ofa.batch import padded_length, source_padding
from workers.models.ofa.config import ModelConfig, TaskConfig
from workers.models.ofa.decoder import Decoder
from workers.models.ofa.encoder import Encoder
from workers.models.ofa.layers import Weights
from workers.models.ofa.positions import Biases, Positions


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
        length = self.text_length(sources)
        ids, prompt, last = (t.to(pixels.device) for t in self.inputs(sources, length, max(map(len, sources))))
        padding = self.padding(ids)
        if bool((padding == padding[:1]).all()):
            padding = padding[:1]  # one length for all: each layer adds it once, not per picture
        return self.compute(pixels, ids, padding, prompt, last, self.biases_for(length))

    def text_length(self, sources: Sequence[Sequence[int]]) -> int:
        """Source tokens of a batch, padding included."""
        return padded_length(self.positions.patches, max(map(len, sources)))

    def inputs(self, sources: Sequence[Sequence[int]], text: int, target: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids [B, text] and decoder prompts [B, target], padded; the place [B] of each prompt's last token."""
        pad = self.config.pad_token_id
        prompts = [s[:-1] if self.prompts else s[:1] for s in sources]
        return _padded(sources, text, pad), _padded(prompts, target, pad), torch.tensor([len(p) - 1 for p in prompts])

    def padding(self, ids: Tensor) -> Tensor:
        """[B, 1, 1, S]: 0, or -inf where there is only padding."""
        return source_padding(self.positions.patches, ids, self.config.pad_token_id).to(self.encoder.text_kind.dtype)

    def compute(
        self, pixels: Tensor, ids: Tensor, padding: Tensor, prompt: Tensor, last: Tensor, biases: Biases
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, from the result of `inputs`, on the device. It reads no value from the device, so it can be recorded."""
        size = prompt.shape[1]
        source = self.encoder(self.encoder.embed_images(pixels), self.encoder.embed_text(ids), biases.encoder, padding)
        memory = self.decoder.new_memory(source.shape[0], source.shape[1])
        self.decoder.remember(source, memory)
        hidden = self.decoder.prompt(prompt, biases.target[:, :, :size, :size], memory, biases.cross[None, :, :size] + padding)
        ends = hidden[torch.arange(hidden.shape[0], device=hidden.device), last]  # [B, d]
        return self.decoder.logits(ends)[:, self.answers], source

    def biases_for(self, text: int) -> Biases:
        """Biases for `text` source tokens: the upper left of the longest so far, which is made when first needed."""
        if self.biases is None or text > self.longest:
            self.longest = text
            like = self.encoder.text_kind
            self.biases = self.positions.build(text, text).to(like.device, like.dtype)
        size = self.positions.patches + text
        return Biases(self.biases.encoder[:, :, :size, :size], self.biases.target, self.biases.cross[:, :, :size])

    def forget_biases(self) -> None:
        """Called after a move to another device or precision."""
        self.longest, self.biases = 0, None


def _padded(rows: Sequence[Sequence[int]], length: int, pad: int) -> Tensor:
    return torch.tensor([[*row, *[pad] * (length - len(row))] for row in rows])
