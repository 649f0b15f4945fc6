"""The network of OFA captioning: encoder, positions and beam search in one module."""

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
from workers.models.ofa.search import BeamSearch, Hypotheses


class CaptionNetwork(nn.Module):
    """Encoder, decoder and search for one prompt. Computes once what depends only on the prompt and the picture's size."""

    def __init__(self, w: Weights, config: ModelConfig, task: TaskConfig, prompt: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(w, config, task.mean, task.std)
        self.decoder = Decoder(w, config)
        self.search = BeamSearch(self.decoder, config, task.search)
        positions = Positions(w, config, task.patch_image_size)
        length = padded_length(positions.patches, len(prompt))
        ids = torch.tensor([[*prompt, *[config.pad_token_id] * (length - len(prompt))]])
        biases = positions.build(length, self.search.positions)
        padding = source_padding(positions.patches, ids, config.pad_token_id)[0]  # [1, 1, S]
        self.text = nn.Buffer(self.encoder.embed_text(ids))  # [1, T, d]
        self.encoder_bias = nn.Buffer(biases.encoder + padding)  # [layers, heads, S, S]
        self.target_bias = nn.Buffer(biases.target)
        self.cross_bias = nn.Buffer(biases.cross + padding)  # [heads, T, S]

    @torch.inference_mode()
    def forward(self, pixels: Tensor) -> tuple[Hypotheses, Tensor]:
        """uint8 [B, size, size, 3] on the device → sentences, and the source states [B, S, d]."""
        source = self.encode(pixels)
        return self.search.run(source, self.biases), source

    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 [B, size, size, 3] → source states [B, S, d]."""
        source: Tensor = self.encoder(self.encoder.embed_images(pixels), self.text, self.encoder_bias, None)
        return source

    @property
    def biases(self) -> Biases:
        return Biases(self.encoder_bias, self.target_bias, self.cross_bias)

    @property
    def source_length(self) -> int:
        """S: patches and padded text."""
        return int(self.cross_bias.shape[2])
