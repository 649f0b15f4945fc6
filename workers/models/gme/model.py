"""GME on Qwen2-VL: message and picture → one vector, the state of the last token, of length one.

Positions are one-dimensional: the original calls the language model without position ids, so all three axes of Qwen2-VL count
tokens in the same way. Rows are padded on the right; under causal attention no real token sees a padded
one, so no mask is needed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import Qwen2VLModel

from tagger.errors import ModelError
from tagger.prediction import EmbeddingPrediction, Pixels, Vector
from workers.models.accelerator import staged
from workers.models.base import PartialPrediction
from workers.models.gme.prepare import MAX_TEXT, Bounds, Item, Patches, expanded, groups, message, resized

WASTE = 0.1  # largest share of padding in one pass of the language model
CANARY_SIDE = 4  # visual tokens of a side


@dataclass(frozen=True, kw_only=True)
class Reads:
    """How this model reads its input: bounds, patches, and the special tokens."""

    bounds: Bounds
    patches: Patches
    image_token: int


class Gme:
    """The model `gme` for the engine. Its cost unit is one token, visual or of the text."""

    name = "gme"

    def __init__(self, network: Qwen2VLModel, tokenizer: Tokenizer, reads: Reads, revision: str, *, most_tokens: int) -> None:
        """`most_tokens`: with padding, in one pass of the language model."""
        self._network = cast(Any, network)
        self._network.eval()
        self._tokenizer, self._reads = tokenizer, reads
        self._most = most_tokens
        self.revision = revision
        self._mean = torch.tensor(reads.patches.mean).view(3, 1, 1)
        self._std = torch.tensor(reads.patches.std).view(3, 1, 1)
        self._golden = self.run([self.canary()])[0]

    def to(self, device: torch.device) -> Gme:
        """Moves the network. The golden vector is still the one that the CPU computed."""
        nn.Module.to(self._network, device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        return self

    @property
    def bounds(self) -> Bounds:
        return self._reads.bounds

    @property
    def dimensions(self) -> int:
        return int(self._network.config.text_config.hidden_size)

    # --- any thread ---------------------------------------------------------------------------------------------

    def prepare(self, pixels: Pixels, instruction: str) -> Item:
        return self.prepare_both(pixels, "", instruction)

    def prepare_text(self, text: str, instruction: str = "") -> Item:
        return Item(ids=self._ids(text, instruction, 0), pixels=None)

    def prepare_both(self, pixels: Pixels, text: str, instruction: str = "") -> Item:
        """An image, followed by a text unless the text is empty."""
        fitting = resized(pixels, self._reads.bounds, self._reads.patches)
        tokens = fitting.shape[0] * fitting.shape[1] // self._reads.patches.factor**2
        return Item(ids=self._ids(text, instruction, tokens), pixels=staged(fitting, self._mean.device))

    def size(self, item: Item) -> float:
        return float(len(item.ids))

    def finish(self, raw: Vector, pixels: Pixels) -> PartialPrediction:  # noqa: ARG002
        """Raises ModelError if the vector is not one of finite numbers."""
        if not np.isfinite(raw).all():
            raise ModelError("gme gave a vector that is not finite")
        model = f"{self.name}@{self.revision}"
        return PartialPrediction(model=model, embedding=EmbeddingPrediction(model=model, vector=raw))

    def canary(self) -> Item:
        steps = np.arange(CANARY_SIDE * self._reads.patches.factor, dtype=np.int64)
        row, column = steps[:, None], steps[None, :]
        waves = (row * 5 + column * 2) % 256, (row * column // 7) % 256, (row * 3 - column * 11) % 256
        picture = np.stack(waves, axis=-1).astype(np.uint8)
        return Item(ids=self._ids("coloured waves", "", CANARY_SIDE**2), pixels=picture)

    def golden(self) -> Vector:
        return self._golden

    def reading(self, raw: Vector) -> Vector:
        return raw

    def _ids(self, text: str, instruction: str, visual: int) -> tuple[int, ...]:
        """A text that is too long is cut at its end. The closing marks stay, because the last token is pooled."""
        text = text.strip()
        ids = self._encode(text, instruction, image=visual > 0)
        if len(ids) > MAX_TEXT:
            spent = len(ids) - len(self._encode("", instruction, image=visual > 0))
            text_length = max(0, spent - (len(ids) - MAX_TEXT))
            spans = self._tokenizer.encode(text, add_special_tokens=False).offsets
            ids = self._encode(text[: spans[text_length - 1][1]] if text_length else "", instruction, image=visual > 0)
        return expanded(ids, self._reads.image_token, visual)

    def _encode(self, text: str, instruction: str, *, image: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(message(text, instruction, image=image), add_special_tokens=False).ids
        return ids

    # --- the owner thread ---------------------------------------------------------------------------------------

    @torch.inference_mode()
    def run(self, batch: Sequence[Item]) -> Sequence[Vector]:
        """One [d] float32 vector of length one for each item; images, texts and both may be mixed."""
        by_place: dict[int, Vector] = {}
        for places in groups([len(item.ids) for item in batch], waste=WASTE, most=self._most):
            vectors = self._embed([batch[place] for place in places]).cpu().numpy()
            by_place.update(zip(places, vectors, strict=True))
        return [by_place[place] for place in range(len(batch))]

    def _embed(self, items: Sequence[Item]) -> Tensor:
        """[n, d] float32. Every row is computed as if it were alone."""
        device = self._network.device
        lengths = [len(item.ids) for item in items]
        padded = [[*item.ids, *[0] * (max(lengths) - len(item.ids))] for item in items]
        ids = torch.tensor(padded).to(device)
        real = torch.arange(ids.shape[1], device=device) < torch.tensor(lengths, device=device)[:, None]
        states = self._network.language_model.embed_tokens(ids)  # [n, longest, d]
        pictures = [item.pixels for item in items if item.pixels is not None]
        if pictures:
            places = ((ids == self._reads.image_token) & real)[..., None].expand_as(states)
            states = states.masked_scatter(places, self._see(pictures).to(states.dtype))
        hidden = self._network.language_model(inputs_embeds=states, use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(items), device=device), torch.tensor(lengths, device=device) - 1]
        return nn.functional.normalize(last.float(), dim=-1)

    def _see(self, pictures: Sequence[Pixels]) -> Tensor:
        """[visual tokens of all pictures, d], picture after picture."""
        visual, size = self._network.visual, self._reads.patches.size
        grids = [[1, picture.shape[0] // size, picture.shape[1] // size] for picture in pictures]
        patches = torch.cat([self._patches(picture) for picture in pictures]).to(visual.dtype)
        seen: Tensor = visual(patches, grid_thw=torch.tensor(grids, device=patches.device)).pooler_output
        return seen

    def _patches(self, picture: Pixels) -> Tensor:
        """uint8 [h, w, 3] → [patches, 3 · frames · size²] float32, those of one visual token side by side."""
        p, m, frames = self._reads.patches.size, self._reads.patches.merge, self._reads.patches.frames
        laid = torch.from_numpy(np.require(picture, requirements="W"))  # torch takes no other
        image = laid.to(self._mean.device, non_blocking=True).permute(2, 0, 1).float()
        image = (image / 255 - self._mean) / self._std
        high, wide = picture.shape[0] // p, picture.shape[1] // p
        parts = image.reshape(3, high // m, m, p, wide // m, m, p).permute(1, 4, 2, 5, 0, 3, 6)  # gh gw mh mw c ph pw
        return parts.unsqueeze(5).expand(-1, -1, -1, -1, -1, frames, -1, -1).reshape(high * wide, 3 * frames * p * p)
