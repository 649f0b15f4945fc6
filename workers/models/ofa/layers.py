"""Building blocks made of checkpoint tensors. Scales and norms are folded into the weights where possible.

`Weights` is a checked checkpoint: it has every key of the schema, in float32. All parameters are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Weights = Mapping[str, Tensor]

LN_EPS = BN_EPS = 1e-5


def frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """weight [out, in], bias [out]."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = frozen(weight)
    if bias is not None:
        layer.bias = frozen(bias)
    return layer


def linear(w: Weights, name: str) -> nn.Linear:
    return linear_of(w[f"{name}.weight"], w[f"{name}.bias"])


def layer_norm(w: Weights, name: str) -> nn.LayerNorm:
    layer = nn.LayerNorm(w[f"{name}.weight"].shape, eps=LN_EPS, device="meta")
    layer.weight, layer.bias = frozen(w[f"{name}.weight"]), frozen(w[f"{name}.bias"])
    return layer


def folded_conv(w: Weights, conv: str, norm: str, *, stride: int, padding: int) -> nn.Conv2d:
    """A convolution and the BatchNorm after it as one convolution. Folded in float64, so that it costs no accuracy."""
    weight = w[f"{conv}.weight"].double()  # [out, in, k, k]
    gain = w[f"{norm}.weight"].double() / torch.sqrt(w[f"{norm}.running_var"].double() + BN_EPS)
    bias = w[f"{norm}.bias"].double() - w[f"{norm}.running_mean"].double() * gain
    out, inputs, size, _ = weight.shape
    layer = nn.Conv2d(inputs, out, size, stride=stride, padding=padding, device="meta")
    folded = (weight * gain[:, None, None, None]).float()
    layer.weight = frozen(folded.contiguous(memory_format=torch.channels_last))
    layer.bias = frozen(bias.float())
    return layer


class Attention(nn.Module):
    """Multi-head attention with a bias per head added to the scores (MODELS: NormFormer with `c_attn`).

    The scale (factor·head_dim)^-0.5 is folded into the query projection, the head gains `c_attn` into the value one.
    """

    def __init__(self, w: Weights, name: str, heads: int, scale_factor: float, *, cross: bool) -> None:
        super().__init__()
        self.heads = heads
        d = w[f"{name}.q_proj.weight"].shape[0]
        scale = (d // heads * scale_factor) ** -0.5
        gain = w[f"{name}.c_attn"].repeat_interleave(d // heads)  # [d]
        query = w[f"{name}.q_proj.weight"] * scale, w[f"{name}.q_proj.bias"] * scale
        key = w[f"{name}.k_proj.weight"], w[f"{name}.k_proj.bias"]
        value = w[f"{name}.v_proj.weight"] * gain[:, None], w[f"{name}.v_proj.bias"] * gain
        first, rest = ((query,), (key, value)) if cross else ((query, key, value), ())
        self.project = linear_of(torch.cat([p[0] for p in first]), torch.cat([p[1] for p in first]))
        self.memory = linear_of(torch.cat([p[0] for p in rest]), torch.cat([p[1] for p in rest])) if rest else None
        self.out = linear(w, f"{name}.out_proj")

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, T, n·d] → n tensors [B, heads, T, d/heads], n from the projection's width."""
        batch, length, width = x.shape
        d = self.out.in_features
        parts = x.view(batch, length, width // d, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return parts.unbind(0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """q [B, h, T, e], k and v [B, h, S, e], bias broadcasting to [B, h, T, S] → [B, T, d]."""
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)  # [B, h, T, e]
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Module):
    """x + fc2(LN(gelu(fc1(LN(x)))))."""

    def __init__(self, w: Weights, prefix: str) -> None:
        super().__init__()
        self.norm = layer_norm(w, f"{prefix}.final_layer_norm")
        self.fc1 = linear(w, f"{prefix}.fc1")
        self.mid = layer_norm(w, f"{prefix}.ffn_layer_norm")
        self.fc2 = linear(w, f"{prefix}.fc2")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.fc2(self.mid(F.gelu(self.fc1(self.norm(x)))))
        return result
