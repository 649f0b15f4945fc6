"""The OFA decoder, in its two uses: one token per beam with a cache (search), or a whole prompt at once (entailment)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workers.models.ofa.config import ModelConfig
from workers.models.ofa.layers import Attention, FeedForward, Weights, frozen, layer_norm
from workers.models.ofa.schema import EMBEDDING

Memory = tuple[Tensor, Tensor]  # keys and values of the source, [B, heads, S, e] each; shared by an image's beams


class DecoderLayer(nn.Module):
    def __init__(self, w: Weights, prefix: str, config: ModelConfig) -> None:
        super().__init__()
        heads, factor = config.decoder_attention_heads, config.attn_scale_factor
        self.self_norm = layer_norm(w, f"{prefix}.self_attn_layer_norm")
        self.self_attention = Attention(w, f"{prefix}.self_attn", heads, factor, cross=False)
        self.self_mid = layer_norm(w, f"{prefix}.self_attn_mid_layer_norm")
        self.cross_norm = layer_norm(w, f"{prefix}.cross_attn_layer_norm")
        self.cross_attention = Attention(w, f"{prefix}.cross_attn", heads, factor, cross=True)
        self.cross_mid = layer_norm(w, f"{prefix}.cross_attn_mid_layer_norm")
        self.feed_forward = FeedForward(w, prefix)

    def remember(self, source: Tensor, into: Memory) -> None:
        """[B, S, d] → keys and values. Called once per image; writes into tensors that never move."""
        assert self.cross_attention.memory is not None
        for kept, new in zip(into, self.cross_attention.split(self.cross_attention.memory(source)), strict=True):
            kept.copy_(new)

    def prompt(self, x: Tensor, bias: Tensor, memory: Memory, cross_bias: Tensor) -> Tensor:
        """x [B, T, d], bias [heads, T, T] causal, cross_bias [B or 1, heads, T, S] → [B, T, d]."""
        q, k, v = self.self_attention.split(self.self_attention.project(self.self_norm(x)))
        x = x + self.self_mid(self.self_attention.attend(q, k, v, bias[None]))
        return self._across(x, memory, cross_bias)

    def step(self, x: Tensor, position: Tensor, cache: Tensor, bias: Tensor, memory: Memory, cross_bias: Tensor) -> Tensor:
        """One token of each beam: x [B, beam, d] → the same.

        cache [2, B·beam, heads, T, e]: keys and values so far, written at `position` [1]; bias [heads, 1, T] is -inf
        beyond it; cross_bias [heads, 1, S]. The beams of an image are query rows over the same keys and values.
        """
        batch, beam, d = x.shape
        rows = x.view(batch * beam, 1, d)
        q, k, v = self.self_attention.split(self.self_attention.project(self.self_norm(rows)))
        cache.index_copy_(3, position, torch.stack([k, v]))
        rows = rows + self.self_mid(self.self_attention.attend(q, cache[0], cache[1], bias[None]))
        return self._across(rows.view(batch, beam, d), memory, cross_bias[None])

    def _across(self, x: Tensor, memory: Memory, bias: Tensor) -> Tensor:
        (q,) = self.cross_attention.split(self.cross_attention.project(self.cross_norm(x)))
        x = x + self.cross_mid(self.cross_attention.attend(q, *memory, bias.expand(-1, -1, q.shape[2], -1)))
        result: Tensor = self.feed_forward(x)
        return result


class Decoder(nn.Module):
    def __init__(self, w: Weights, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_dim = config.decoder_attention_heads, config.d_model // config.decoder_attention_heads
        self.tokens = frozen(w[EMBEDDING])  # [V, d]
        self.output = self.tokens  # tied; stays float32 when the rest does not (see `place`)
        self.embedding_norm = layer_norm(w, "decoder.layernorm_embedding")
        self.layers = nn.ModuleList(DecoderLayer(w, f"decoder.layers.{i}", config) for i in range(config.decoder_layers))
        self.norm = layer_norm(w, "decoder.layer_norm")

    @property
    def stack(self) -> list[DecoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]

    def new_memory(self, batch: int, source: int) -> list[Memory]:
        """Allocates the keys and values of each layer, for `batch` sources of so many positions."""
        shape = (batch, self.heads, source, self.head_dim)
        return [(self.tokens.new_empty(shape), self.tokens.new_empty(shape)) for _ in self.stack]

    def remember(self, source: Tensor, into: list[Memory]) -> None:
        """source [B, S, d]."""
        for layer, memory in zip(self.stack, into, strict=True):
            layer.remember(source, memory)

    def new_cache(self, rows: int, length: int) -> Tensor:
        """[layers, 2, rows, heads, length, e] of zeros: the static self-attention cache."""
        shape = (len(self.stack), 2, rows, self.heads, length, self.head_dim)
        return torch.zeros(shape, dtype=self.tokens.dtype, device=self.tokens.device)

    def step(self, ids: Tensor, position: Tensor, cache: Tensor, target: Tensor, memory: list[Memory], cross: Tensor) -> Tensor:
        """ids [B, beam] at `position` [1] → hidden states [B, beam, d].

        target [layers, heads, T, T] and cross [heads, T, S] are the constant biases; the row of `position` is taken on
        the device, so that one captured graph serves every step.
        """
        x = self.embedding_norm(F.embedding(ids, self.tokens))
        rows, across = target.index_select(2, position), cross.index_select(1, position)
        for layer, kept, bias, source in zip(self.stack, cache, rows, memory, strict=True):
            x = layer.step(x, position, kept, bias, source, across)
        result: Tensor = self.norm(x)
        return result

    def prompt(self, ids: Tensor, target: Tensor, memory: list[Memory], cross: Tensor) -> Tensor:
        """ids [B, T] → hidden states [B, T, d]. target [layers, heads, T, T], cross [B or 1, heads, T, S]."""
        x = self.embedding_norm(F.embedding(ids, self.tokens))
        for layer, bias, source in zip(self.stack, target, memory, strict=True):
            x = layer.prompt(x, bias, source, cross)
        result: Tensor = self.norm(x)
        return result

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., d] → [..., V] float32."""
        if hidden.device.type != "cpu":
            return F.linear(hidden.float(), self.output)
        rows = hidden.flatten(0, -2).float()  # few rows: a CPU multiplies the tall matrix from the left twice as fast
        logits: Tensor = (self.output @ rows.t()).t().contiguous()
        return logits.view(*hidden.shape[:-1], -1)


def place(network: nn.Module, decoder: Decoder, device: torch.device, dtype: torch.dtype) -> None:
    """Move a network that holds `decoder`. The output projection stays float32: bfloat16 logits near 20 are 0.125 apart,
    which would blur both the ranking of beams and the log-probability that the gate reads."""
    precise = frozen(decoder.output.detach().to(device))
    network.to(device=device, dtype=dtype)
    decoder.output = precise
