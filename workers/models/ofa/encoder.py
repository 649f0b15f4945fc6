"""The OFA encoder: picture patches and text tokens in one sequence, the picture first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workers.models.ofa.config import ModelConfig
from workers.models.ofa.layers import Attention, FeedForward, Weights, frozen, layer_norm, linear_of
from workers.models.ofa.resnet import ResNet
from workers.models.ofa.schema import EMBEDDING


class EncoderLayer(nn.Module):
    def __init__(self, w: Weights, prefix: str, config: ModelConfig) -> None:
        super().__init__()
        name = f"{prefix}.self_attn"
        self.norm = layer_norm(w, f"{name}_layer_norm")
        self.attention = Attention(w, name, config.encoder_attention_heads, config.attn_scale_factor, cross=False)
        self.mid = layer_norm(w, f"{name}_mid_layer_norm")
        self.feed_forward = FeedForward(w, prefix)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, S, d], bias [B or 1, heads, S, S] → [B, S, d]."""
        q, k, v = self.attention.split(self.attention.project(self.norm(x)))
        x = x + self.mid(self.attention.attend(q, k, v, bias))
        result: Tensor = self.feed_forward(x)
        return result


class Encoder(nn.Module):
    def __init__(self, w: Weights, config: ModelConfig, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        kind = w["encoder.type_embedding.weight"]  # row 0 text, row 1 picture
        self.mean, self.std = (frozen(torch.tensor(v).view(1, 3, 1, 1)) for v in (mean, std))
        self.resnet = ResNet(w, config.resnet_blocks)
        self.image_projection = linear_of(w["encoder.image_proj.weight"], w["encoder.image_proj.bias"] + kind[1])
        self.image_norm = layer_norm(w, "encoder.patch_layernorm_embedding")
        self.tokens, self.text_kind = frozen(w[EMBEDDING]), frozen(kind[0])
        self.text_norm = layer_norm(w, "encoder.layernorm_embedding")
        self.layers = nn.ModuleList(EncoderLayer(w, f"encoder.layers.{i}", config) for i in range(config.encoder_layers))
        self.norm = layer_norm(w, "encoder.layer_norm")

    def embed_images(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] on the device → [B, N, d].

        A CPU computes one picture at a time: the feature maps of a batch do not fit into its caches, and a batch is not faster.
        """
        images = pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255  # channels_last as it lies
        images = (images - self.mean) / self.std
        parts = torch.split(images, 1) if pixels.device.type == "cpu" else (images,)
        patches = torch.cat([self.resnet(part) for part in parts])
        result: Tensor = self.image_norm(self.image_projection(patches))
        return result

    def embed_text(self, ids: Tensor) -> Tensor:
        """[B, T] → [B, T, d]."""
        result: Tensor = self.text_norm(F.embedding(ids, self.tokens) + self.text_kind)
        return result

    def forward(self, image: Tensor, text: Tensor, biases: Tensor, padding: Tensor | None) -> Tensor:
        """image [B, N, d], text [B or 1, T, d], biases [layers, heads, S, S], padding [B or 1, 1, 1, S] → [B, S, d].

        `padding` is 0 or -inf, added to every layer's bias; None where the biases already carry it.
        """
        x = torch.cat([image, text.expand(image.shape[0], -1, -1)], dim=1)
        for layer, bias in zip(self.layers, biases, strict=True):
            x = layer(x, bias[None] if padding is None else bias[None] + padding)
        result: Tensor = self.norm(x)
        return result
