"""Prepares a picture and a text in the same steps as ModelScope's OFA preprocessors."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from tagger.prediction import Pixels
from workers.models.ofa.config import TaskConfig
from workers.models.ofa.tokenizer import OfaTokenizer


def squash(pixels: Pixels, size: int) -> Pixels:
    """[h, w, 3] → [size, size, 3] uint8, bicubic, without keeping the aspect ratio. The device normalises the values."""
    if pixels.shape[:2] == (size, size):
        return np.ascontiguousarray(pixels)
    image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8)


def clean_statement(text: str, max_words: int) -> str:
    """A statement as the entailment model was trained on: lower case, `-` and `/` as spaces, no leading punctuation."""
    text = text.lower().lstrip(",.!?*#:;~").replace("-", " ").replace("/", " ").replace("<person>", "person")
    text = re.sub(r"\s{2,}", " ", text).rstrip("\n").strip(" ")
    return " ".join(text.split(" ")[:max_words])


def source_ids(text: str, tokenizer: OfaTokenizer, task: TaskConfig, *, bos: int, eos: int) -> list[int]:
    """bos, at most `max_src_length` tokens, eos."""
    return [bos, *tokenizer.encode(text)[: task.max_src_length], eos]
