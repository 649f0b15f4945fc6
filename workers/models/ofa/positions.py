"""OFA uses positions only as attention biases. For one source length and picture size these are constants.

A bias is `pos_q · pos_k` plus, within text and within the picture, a learnt table by relative distance. Positions do
not depend on the text's content or padding, and the text follows the picture, so the bias of a shorter text is the
upper left part of a longer one's. Computed in float32 on the CPU, once; kept in the model's precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from workers.models.ofa.config import ModelConfig
from workers.models.ofa.layers import LN_EPS, Weights
from workers.models.ofa.resnet import STRIDE
from workers.models.ofa.schema import TOKEN_POSITIONS


@dataclass(frozen=True, eq=False)
class Biases:
    """N picture patches, then text: S source positions in all; T target positions."""

    encoder: Tensor  # [layers, heads, S, S]
    target: Tensor  # [layers, heads, T, T], -inf above the diagonal
    cross: Tensor  # [heads, T, S]

    def to(self, device: torch.device, dtype: torch.dtype) -> Biases:
        return Biases(*(t.to(device=device, dtype=dtype) for t in (self.encoder, self.target, self.cross)))


class Positions:
    """Makes biases from the position weights of a checkpoint, for square pictures of one size."""

    def __init__(self, w: Weights, config: ModelConfig, image_size: int) -> None:
        self.w = {key: tensor for key, tensor in w.items() if "pos" in key or "rp_bucket" in key}  # the rest may go
        self.config = config
        self.grid = math.ceil(image_size / STRIDE)
        rows = torch.arange(self.grid)
        self.image_ids = (rows[:, None] * config.image_bucket_size + rows[None, :] + 1).flatten()  # [N]
        self.max_text = min(config.max_position_embeddings + 2, TOKEN_POSITIONS)

    @property
    def patches(self) -> int:
        return self.grid * self.grid

    def build(self, text: int, target: int) -> Biases:
        """Biases of a picture with `text` source tokens and `target` decoder positions."""
        source = torch.cat([self._image_positions(), self._token_positions("encoder", text)])  # [S, d]
        decoder = self._token_positions("decoder", target)  # [T, d]
        return Biases(
            encoder=self._encoder(source, text),
            target=self._target(decoder),
            cross=self._absolute("decoder.cross_pos", decoder, source, self.config.decoder_attention_heads),
        )

    def _encoder(self, source: Tensor, text: int) -> Tensor:
        config, n = self.config, self.patches
        bias = self._absolute("encoder.pos", source, source, config.encoder_attention_heads)  # [h, S, S]
        bias = bias.repeat(config.encoder_layers, 1, 1, 1)
        tokens, images = self._token_buckets("encoder", text), self._image_buckets()
        for layer in range(config.encoder_layers):
            bias[layer, :, n:, n:] += self.w[f"encoder.token_rel_pos_table_list.{layer}.weight"][tokens].permute(2, 0, 1)
            bias[layer, :, :n, :n] += self.w[f"encoder.image_rel_pos_table_list.{layer}.weight"][images].permute(2, 0, 1)
        return bias

    def _target(self, decoder: Tensor) -> Tensor:
        config, length = self.config, decoder.shape[0]
        bias = self._absolute("decoder.self_pos", decoder, decoder, config.decoder_attention_heads)
        buckets = self._token_buckets("decoder", length)
        tables = [self.w[f"decoder.token_rel_pos_table_list.{i}.weight"][buckets] for i in range(config.decoder_layers)]
        future = torch.full((length, length), -math.inf).triu(1)
        return torch.stack([bias + t.permute(2, 0, 1) + future for t in tables])

    def _absolute(self, name: str, queries: Tensor, keys: Tensor, heads: int) -> Tensor:
        """[T, d], [S, d] → [heads, T, S]."""
        d = self.config.d_model
        scale = (d / heads * self.config.attn_scale_factor) ** -0.5
        q = F.linear(queries, self.w[f"{name}_q_linear.weight"], self.w[f"{name}_q_linear.bias"]) * scale
        k = F.linear(keys, self.w[f"{name}_k_linear.weight"], self.w[f"{name}_k_linear.bias"])
        bias: Tensor = q.view(-1, heads, d // heads).transpose(0, 1) @ k.view(-1, heads, d // heads).permute(1, 2, 0)
        return bias

    def _token_positions(self, side: str, length: int) -> Tensor:
        return self._normed(f"{side}.pos_ln", self.w[f"{side}.embed_positions.weight"][:length])

    def _image_positions(self) -> Tensor:
        table = self.w["encoder.embed_image_positions.weight"]
        original = self.config.orig_patch_image_size // STRIDE
        if not self.config.interpolate_position or self.grid <= original:
            return self._normed("encoder.image_pos_ln", table[self.image_ids])
        rows = torch.arange(original)
        ids = rows[:, None] * self.config.image_bucket_size + rows[None, :] + 1
        grid = F.interpolate(table[ids].permute(2, 0, 1)[None], size=(self.grid, self.grid), mode="bilinear")
        return self._normed("encoder.image_pos_ln", grid[0].permute(1, 2, 0).reshape(self.patches, -1))

    def _normed(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], LN_EPS)

    def _token_buckets(self, side: str, length: int) -> Tensor:
        """[length, length] rows of the token table. If the checkpoint has an index of its own, that is used."""
        stored = self.w.get(f"{side}.token_rp_bucket")
        index = token_buckets(self.config.token_bucket_size) if stored is None else stored
        return index[:length, :length].long()

    def _image_buckets(self) -> Tensor:
        """[N, N] rows of the picture table: one row for each distance down and across."""
        size = self.config.image_bucket_size
        row, column = (self.image_ids - 1) // size, (self.image_ids - 1) % size
        down, across = (p[:, None] - p[None, :] + size - 1 for p in (row, column))
        return down * (2 * size - 1) + across


def token_buckets(size: int, positions: int = TOKEN_POSITIONS) -> Tensor:
    """[positions, positions] bucket of each distance: exact when near, logarithmic beyond half of `size`."""
    place = torch.arange(positions)
    distance = place[:, None] - place[None, :]
    half = size // 2
    far = torch.where(distance.abs() < half, half - 1, distance.abs())
    steps = torch.ceil(torch.log(far / half) / math.log((positions - 1) / half) * (half - 1)) + half
    return torch.where(far <= half, distance, steps.int() * distance.sign()) + size - 1
