"""What a model directory may say, and the one error when it says something else."""

from __future__ import annotations

from typing import Any

import pytest

from tagger.errors import ModelDirectoryInvalid
from workers.models.ofa.config import (
    CAPTION_TASK,
    ENTAILMENT_TASK,
    IMAGENET_MEAN,
    parse_model_config,
    parse_task_config,
)
from workers.models.ofa.schema import schema

CAPTION: dict[str, Any] = {"task": "image-captioning", "model": {"type": "ofa"}}
ENTAILMENT: dict[str, Any] = {"task": "visual-entailment", "model": {"type": "ofa"}}


def with_model(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**body, "model": {**body["model"], **changes}}


def test_defaults_are_those_of_the_reference() -> None:
    task = parse_task_config(CAPTION, CAPTION_TASK)
    search = task.search
    assert (task.prompt, task.patch_image_size, task.mean) == (" what does the image describe?", 480, (0.5, 0.5, 0.5))
    assert (search.beam_size, search.max_len_b, search.min_len, search.no_repeat_ngram_size) == (5, 16, 1, 3)
    entailment = parse_task_config(ENTAILMENT, ENTAILMENT_TASK)
    assert (entailment.prompt, entailment.prompt_type) == (' does the image describe " {} "?', "none")


def test_every_value_is_read() -> None:
    body = with_model(
        CAPTION,
        prompt=" what is it?",
        patch_image_size=384,
        max_src_length=80,
        imagenet_default_mean_and_std=True,
        beam_search={"beam_size": 3, "max_len_b": 30, "min_len": 2, "no_repeat_ngram_size": 0},
    )
    task = parse_task_config(body, CAPTION_TASK)
    assert (task.prompt, task.patch_image_size, task.max_src_length, task.mean) == (" what is it?", 384, 80, IMAGENET_MEAN)
    assert (task.search.beam_size, task.search.max_len_b, task.search.min_len) == (3, 30, 2)


@pytest.mark.parametrize(
    ("body", "task", "named"),
    [
        (with_model(CAPTION, gen_type="dream"), CAPTION_TASK, "model.gen_type"),
        (with_model(CAPTION, gen_type="traverse"), CAPTION_TASK, "model.gen_type"),
        (with_model(CAPTION, language="zh"), CAPTION_TASK, "model.language"),
        (with_model(CAPTION, type="clip"), CAPTION_TASK, "model.type"),
        (with_model(ENTAILMENT, prompt_type="src"), ENTAILMENT_TASK, "model.prompt_type"),
        (with_model(ENTAILMENT, prompt=" is it so?"), ENTAILMENT_TASK, "model.prompt"),
        (with_model(CAPTION, patch_image_size="480"), CAPTION_TASK, "model.patch_image_size"),
        (with_model(CAPTION, patch_image_size=0), CAPTION_TASK, "model.patch_image_size"),
        (with_model(CAPTION, beam_search={"beam": 5}), CAPTION_TASK, "model.beam_search.beam"),
        (with_model(CAPTION, beam_search={"len_penalty": 2.0}), CAPTION_TASK, "model.beam_search.len_penalty"),
        (with_model(CAPTION, beam_search={"min_len": 17}), CAPTION_TASK, "model.beam_search"),
        (with_model(CAPTION, beam_search=[]), CAPTION_TASK, "model.beam_search"),
        ({"task": "image-captioning"}, CAPTION_TASK, "model"),
        (ENTAILMENT, CAPTION_TASK, "task"),
    ],
)
def test_an_unknown_task_setting_is_named(body: dict[str, Any], task: str, named: str) -> None:
    with pytest.raises(ModelDirectoryInvalid) as caught:
        parse_task_config(body, task)
    assert str(caught.value).startswith(f"configuration.json: {named}: ")
    assert caught.value.info().remedy


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"use_ofasys": True}, "use_ofasys"),
        ({"normformer": False}, "normformer"),
        ({"resnet_type": "resnet200"}, "resnet_type"),
        ({"d_model": 250}, "encoder_attention_heads"),
        ({"d_model": -8}, "d_model"),
        ({"encoder_layers": "4"}, "encoder_layers"),
        ({"interpolate_position": 1}, "interpolate_position"),
    ],
)
def test_a_network_that_is_not_computed_here_is_named(body: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelDirectoryInvalid) as caught:
        parse_model_config(body)
    assert str(caught.value).startswith(f"config.json: {named}: ")


def test_parameter_counts_are_those_of_the_published_models() -> None:
    """33.488 M and 472.98 M by the reference, of which some only make pictures of codes, and are not computed with."""
    distilled = {"d_model": 256, "encoder_ffn_dim": 1024, "decoder_ffn_dim": 1024, "resnet_type": "resnet50"}
    distilled |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    shapes = schema(parse_model_config(distilled))
    indices = ("_bucket", "_idx", "tracked", "version")
    total = sum(
        _size(shape)
        for key, shape in {**shapes.required, **shapes.unused}.items()
        if not key.endswith((*indices, "running_mean", "running_var"))
    )
    assert total == 33_488_336


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
