"""Beam search as fairseq and ModelScope do it, over a whole batch, without leaving the device.

Every step works on buffers of fixed shape and place and takes its position from a tensor, so it can be captured once as a
graph (session.py); the caller reads only one flag per step from the device: are all images done?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.models.ofa.config import ModelConfig, SearchConfig
from workers.models.ofa.decoder import Decoder, Memory
from workers.models.ofa.positions import Biases


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """The finished sentences of each image, best first, on the device."""

    tokens: Tensor  # [B, beam, L] int64, starting with bos, ended by eos, then pad
    scores: Tensor  # [B, beam] float32: mean log-probability per token, the end token counted; -inf: no such sentence

    def sentence(self, image: int, rank: int, eos: int) -> list[int]:
        """Tokens without bos, with eos."""
        row: list[int] = self.tokens[image, rank, 1:].tolist()
        return row[: row.index(eos) + 1]


@dataclass(eq=False)
class SearchState:
    """What one step reads and writes, for B images of `beam` beams. L = max_len + 2, T = max_len + 1."""

    memory: list[Memory]
    cache: Tensor  # [layers, 2, B·beam, heads, T, e]
    position: Tensor  # [1] int64
    tokens: Tensor  # [B, beam, L] int64
    scores: Tensor  # [B, beam] float32: sum of log-probabilities so far
    done_tokens: Tensor  # [B, beam + 1, L]; the last row takes what is not wanted
    done_scores: Tensor  # [B, beam + 1] float32
    done: Tensor  # [B] int64: sentences finished
    over: Tensor  # [1] bool: have all images `beam` of them?


class BeamSearch:
    def __init__(self, decoder: Decoder, model: ModelConfig, search: SearchConfig) -> None:
        self.decoder, self.model, self.search = decoder, model, search
        self.positions = search.max_len_b + 1  # T: steps at most, the end token's included

    @torch.inference_mode()
    def run(self, source: Tensor, biases: Biases) -> Hypotheses:
        """source [B, S, d] → the `beam_size` best sentences of each image. An image is done with that many ended."""
        state = self.allocate(source.shape[0], source.shape[1])
        self.begin(state, source)
        for _ in range(self.positions):
            self.step(state, biases)
            if bool(state.over):
                break
        return self.found(state)

    def found(self, state: SearchState) -> Hypotheses:
        """The finished sentences, best first."""
        scores, order = state.done_scores[:, :-1].sort(dim=1, descending=True)
        return Hypotheses(state.done_tokens.gather(1, order[..., None].expand(-1, -1, self.positions + 1)), scores)

    def allocate(self, batch: int, source: int) -> SearchState:
        """Buffers for `batch` images of `source` positions, on the decoder's device; `begin` gives them their values."""
        beam, length, device = self.search.beam_size, self.positions + 1, self.decoder.tokens.device
        return SearchState(
            memory=self.decoder.new_memory(batch, source),
            cache=self.decoder.new_cache(batch * beam, self.positions),
            position=torch.empty(1, dtype=torch.long, device=device),
            tokens=torch.empty((batch, beam, length), dtype=torch.long, device=device),
            scores=torch.empty((batch, beam), device=device),
            done_tokens=torch.empty((batch, beam + 1, length), dtype=torch.long, device=device),
            done_scores=torch.empty((batch, beam + 1), device=device),
            done=torch.empty(batch, dtype=torch.long, device=device),
            over=torch.empty(1, dtype=torch.bool, device=device),
        )

    def begin(self, state: SearchState, source: Tensor) -> None:
        """Resets the buffers, and stores the keys and values of source [B, S, d]. Earlier contents have no effect."""
        self.decoder.remember(source, state.memory)
        state.cache.zero_()  # values beyond the position are masked, but a NaN would pass through the mask
        state.position.zero_()
        for tokens in (state.tokens, state.done_tokens):
            tokens.fill_(self.model.pad_token_id)
        state.tokens[:, :, 0] = self.model.bos_token_id
        for scores in (state.scores, state.done_scores):
            scores.fill_(-math.inf)
        state.scores[:, 0] = 0.0  # all beams are equal at the beginning, so only the first may branch
        state.done.zero_()
        state.over.fill_(False)

    def step(self, state: SearchState, biases: Biases) -> None:
        """Adds one token to every beam of every image. Sentences that end among the best are stored as finished."""
        beam = self.search.beam_size
        ids = state.tokens.index_select(2, state.position).squeeze(2)
        hidden = self.decoder.step(ids, state.position, state.cache, biases.target, state.memory, biases.cross)
        scores, ids, parents = self._candidates(self.decoder.logits(hidden), state)  # [B, 2·beam] each
        ended = (ids == self.model.eos_token_id) & (scores > -math.inf)
        self._set_aside(state, scores[:, :beam], parents[:, :beam], ended[:, :beam])

        rank = torch.arange(2 * beam, device=ids.device)
        keep = (rank + ended * 2 * beam).topk(beam, dim=1, largest=False).indices  # the best that have not ended
        parents = parents.gather(1, keep)
        state.scores.copy_(scores.gather(1, keep))
        state.tokens.copy_(_rows(state.tokens, parents))
        state.tokens.index_copy_(2, state.position + 1, ids.gather(1, keep)[..., None])
        offsets = torch.arange(parents.shape[0], device=ids.device)[:, None] * beam
        state.cache.copy_(state.cache.index_select(2, (parents + offsets).flatten()))
        state.position.add_(1)

    def _candidates(self, logits: Tensor, state: SearchState) -> tuple[Tensor, Tensor, Tensor]:
        """logits [B, beam, V], changed in place → the 2·beam best continuations: sums [B, 2·beam], tokens, parent beams.

        Twice the beams, so that enough remain if half of them end.
        """
        pad, eos, width = self.model.pad_token_id, self.model.eos_token_id, 2 * self.search.beam_size
        total = logits.logsumexp(-1)  # before any ban, so that bans do not change the normalisation
        ending = logits[..., eos].clone()
        logits[..., pad] = -math.inf
        logits[..., eos].masked_fill_(state.position < self.search.min_len, -math.inf)
        banned = banned_tokens(state.tokens.flatten(0, 1), state.position, self.search.no_repeat_ngram_size, pad)
        logits.scatter_(2, banned.view(*logits.shape[:2], -1), -math.inf)
        values, ids = logits.topk(width, dim=-1)  # [B, beam, 2·beam]

        last = state.position >= self.search.max_len_b  # then a beam may only end
        only = torch.full_like(values, -math.inf)
        only[..., 0] = ending
        values, ids = torch.where(last, only, values), ids.masked_fill(last, eos)

        sums = values - total[..., None] + state.scores[..., None]
        best, index = sums.flatten(1).topk(width, dim=1)
        return best, ids.flatten(1).gather(1, index), index // width

    def _set_aside(self, state: SearchState, scores: Tensor, parents: Tensor, ended: Tensor) -> None:
        """Store ended sentences [B, beam] in the next free places, as long as there are any."""
        beam = self.search.beam_size
        place = state.done[:, None] + ended.cumsum(1) - 1
        place = torch.where(ended, place.clamp(max=beam), beam)
        sentences = _rows(state.tokens, parents).index_fill(2, state.position[0] + 1, self.model.eos_token_id)
        state.done_tokens.scatter_(1, place[..., None].expand_as(sentences), sentences)
        state.done_scores.scatter_(1, place, scores / (state.position + 1))
        state.done.add_(ended.sum(1)).clamp_(max=beam)
        state.over.copy_((state.done >= beam).all())


def _rows(tokens: Tensor, parents: Tensor) -> Tensor:
    """tokens [B, beam, L], parents [B, n] → [B, n, L]."""
    return tokens.gather(1, parents[..., None].expand(-1, -1, tokens.shape[2]))


def banned_tokens(tokens: Tensor, position: Tensor, size: int, pad: int) -> Tensor:
    """Tokens that would repeat an n-gram of `size`: tokens [R, L] filled up to `position` [1] → [R, ≤ L], pad where none."""
    rows, length = tokens.shape
    if not 0 < size <= length:
        return tokens.new_full((rows, 1), pad)
    windows = tokens.unfold(1, size, 1)  # [R, W, size]
    recent = position + torch.arange(2 - size, 1, device=tokens.device)
    suffix = tokens.index_select(1, recent.clamp(min=0))  # [R, size - 1]
    same = (windows[..., :-1] == suffix[:, None]).all(-1)
    complete = torch.arange(windows.shape[1], device=tokens.device) + size - 1 <= position
    return torch.where(same & complete, windows[..., -1], pad)
