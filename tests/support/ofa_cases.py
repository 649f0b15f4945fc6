"""The cases of the parity goldens: what the reference and tagger's own OFA are both asked. Plain data from seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workers.models.ofa.synthetic import (
    CAPTION_DISTILLED,
    CAPTION_TASK_BODY,
    ENTAILMENT_LARGE,
    ENTAILMENT_TASK_BODY,
    TINY,
)

STATEMENTS = (
    "A red car stands in front of a house.",
    "Two dogs",
    "...a well-lit kitchen / dining room with a <person> at  the table, seen from above\n",
)


@dataclass(frozen=True)
class Case:
    seed: int
    model: Mapping[str, Any]
    task: Mapping[str, Any]
    pictures: tuple[tuple[int, int, int], ...]  # (seed, height, width)
    statements: tuple[str, ...] = ()


def _task(body: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {**body, "model": {**body["model"], **changes}}


def _search(**changes: int) -> dict[str, Any]:
    return {"beam_search": {**CAPTION_TASK_BODY["model"]["beam_search"], **changes}}


def caption_tiny() -> Iterator[Case]:
    small = {"patch_image_size": 64}
    variants: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({}, {}),
        ({}, {"patch_image_size": 96, "imagenet_default_mean_and_std": True}),
        ({"interpolate_position": True, "orig_patch_image_size": 48}, {"patch_image_size": 80}),
        ({"decoder_attention_heads": 2, "attn_scale_factor": 1.5}, _search(no_repeat_ngram_size=2, min_len=4)),
        ({"encoder_layers": 3, "decoder_layers": 1}, _search(beam_size=3, max_len_b=9, no_repeat_ngram_size=0)),
        ({"token_bucket_size": 256}, {"prompt": " what do you see in this picture, in one short sentence?"}),
    )
    for seed in range(24):
        model, task = variants[seed % len(variants)]
        pictures = tuple((100 * seed + i, 60 + 7 * i, 90 - 5 * i) for i in range(3))
        yield Case(seed, {**TINY, **model}, _task(CAPTION_TASK_BODY, **{**small, **task}), pictures)


def caption_real() -> Iterator[Case]:
    for seed in range(40):
        yield Case(1000 + seed, CAPTION_DISTILLED, CAPTION_TASK_BODY, ((1000 + seed, 300 + seed, 400),))


def entail_tiny() -> Iterator[Case]:
    for seed in range(20):
        task = _task(ENTAILMENT_TASK_BODY, patch_image_size=64, prompt_type=("prev_output", "none")[seed % 2])
        pictures = tuple((200 + 10 * seed + i, 70, 60) for i in range(len(STATEMENTS)))
        yield Case(seed, TINY, task, pictures, STATEMENTS)


def entail_real() -> Iterator[Case]:
    for seed, model in ((1, CAPTION_DISTILLED), (2, CAPTION_DISTILLED), (3, ENTAILMENT_LARGE)):
        pictures = tuple((300 + 10 * seed + i, 300, 400) for i in range(len(STATEMENTS)))
        yield Case(seed, model, ENTAILMENT_TASK_BODY, pictures, STATEMENTS)


SETS = {
    "caption_tiny": caption_tiny,
    "caption_real": caption_real,
    "entail_tiny": entail_tiny,
    "entail_real": entail_real,
}
