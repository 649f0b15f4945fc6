"""Parses the configuration of a model directory: `config.json` (the network) and `configuration.json` (the task).

Parsing only: the caller reads the files. Defaults are those of ModelScope 1.40's `OFAConfig` and OFA preprocessors, so
a missing key means the same here as there. A variant of the network that this code does not
compute is refused by name, never computed wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tagger.errors import ModelDirectoryInvalid

CONFIG_FILE = "config.json"
TASK_FILE = "configuration.json"

PromptType = Literal["none", "prev_output"]

RESNET_BLOCKS = {
    "resnet18": (2, 2, 2),
    "resnet34": (3, 4, 6),
    "resnet50": (3, 4, 6),
    "resnet101": (3, 4, 23),
    "resnet152": (3, 8, 36),
}

# Switches of OFAConfig that change the computation, with the only value that is computed here.
FIXED: Mapping[str, Any] = {
    "activation_function": "gelu",
    "add_type_embedding": True,
    "code_layernorm_embedding": True,
    "decoder_normalize_before": True,
    "encoder_normalize_before": True,
    "entangle_position_embedding": False,
    "exclude_mlp": True,
    "layernorm_embedding": True,
    "normformer": True,
    "patch_layernorm_embedding": True,
    "scale_embedding": False,
    "share_attn_bias": False,
    "share_decoder_input_output_embed": True,
    "temperature_init_value": None,
    "use_gamma_feature": False,
    "use_image_feature": True,
    "use_ofasys": False,
}
FIXED_SEARCH: Mapping[str, Any] = {
    "constraint_range": None,
    "len_penalty": 1.0,
    "match_source_len": False,
    "max_len_a": 0,
    "normalize_scores": True,
    "temperature": 1.0,
    "unk_penalty": 0.0,
}


def invalid(file: str, key: str, problem: str, remedy: str = "") -> ModelDirectoryInvalid:
    """The one error of a bad model directory: file, key, what is wrong, and what to do."""
    return ModelDirectoryInvalid(f"{file}: {key}: {problem}", remedy)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the network, from `config.json`."""

    vocab_size: int = 59457
    d_model: int = 512
    encoder_layers: int = 4
    encoder_ffn_dim: int = 2048
    encoder_attention_heads: int = 8
    decoder_layers: int = 4
    decoder_ffn_dim: int = 2048
    decoder_attention_heads: int = 8
    max_position_embeddings: int = 1024
    token_bucket_size: int = 256
    image_bucket_size: int = 42
    code_image_size: int = 128  # only sizes an index of the decoder that captioning never uses
    orig_patch_image_size: int = 224
    pad_token_id: int = 1
    bos_token_id: int = 0
    eos_token_id: int = 2
    attn_scale_factor: float = 2.0
    resnet_type: str = "resnet101"
    interpolate_position: bool = False

    @property
    def resnet_blocks(self) -> tuple[int, int, int]:
        return RESNET_BLOCKS[self.resnet_type]


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """`model.beam_search` of `configuration.json`. Lengths are in tokens, without the end token."""

    beam_size: int = 5
    max_len_b: int = 16
    min_len: int = 1
    no_repeat_ngram_size: int = 3  # 0: an n-gram may repeat


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """`configuration.json`: the prompt of the network, and how its picture is prepared."""

    task: str
    prompt: str
    prompt_type: PromptType = "none"
    search: SearchConfig = field(default_factory=SearchConfig)
    patch_image_size: int = 480  # pixels of a side; a picture is squashed to this square
    max_src_length: int = 256
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    answer2label: str | None = None  # a file of the directory


CAPTION_TASK, CAPTION_PROMPT = "image-captioning", " what does the image describe?"
ENTAILMENT_TASK, ENTAILMENT_PROMPT = "visual-entailment", ' does the image describe " {} "?'
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parse_model_config(body: Mapping[str, Any]) -> ModelConfig:
    """`config.json` → ModelConfig. Raises ModelDirectoryInvalid for a wrong type or a variant not computed here."""
    for key, supported in FIXED.items():
        if key in body and body[key] != supported:
            raise invalid(
                CONFIG_FILE, key, f"is {body[key]!r}; only {supported!r} is supported", "Use an OFA model of another kind."
            )
    values: dict[str, Any] = {}
    for name, default in ((f.name, f.default) for f in fields(ModelConfig)):
        if name not in body:
            continue
        values[name] = _typed(CONFIG_FILE, name, body[name], type(default))
        if type(default) is int and values[name] < (0 if name.endswith("_token_id") else 1):
            raise invalid(CONFIG_FILE, name, f"is {values[name]}; it must be positive", "Download the file again.")
    config = ModelConfig(**values)
    if config.resnet_type not in RESNET_BLOCKS:
        raise invalid(CONFIG_FILE, "resnet_type", f"is {config.resnet_type!r}; known are {', '.join(RESNET_BLOCKS)}")
    for side in ("encoder", "decoder"):
        heads = getattr(config, f"{side}_attention_heads")
        if config.d_model % heads:
            raise invalid(CONFIG_FILE, f"{side}_attention_heads", f"{heads} does not divide d_model {config.d_model}")
    return config


def parse_task_config(body: Mapping[str, Any], expected_task: str) -> TaskConfig:
    """`configuration.json` → TaskConfig. Raises ModelDirectoryInvalid if the directory is for another task."""
    if body.get("task") != expected_task:
        raise invalid(
            TASK_FILE, "task", f"is {body.get('task')!r}, not {expected_task!r}", "Point the setting at a directory of that task."
        )
    model = _typed(TASK_FILE, "model", body.get("model"), dict)
    for key, default, allowed in (
        ("type", None, ("ofa",)),
        ("gen_type", "generation", ("generation",) if expected_task == CAPTION_TASK else ("generation", "traverse")),
        ("language", "en", ("en",)),
        ("multimodal_type", "default", ("default",)),
        ("prompt_type", "none", ("none", "prev_output")),
    ):
        if model.get(key, default) not in allowed:
            wanted = " or ".join(repr(k) for k in allowed)
            raise invalid(TASK_FILE, f"model.{key}", f"is {model.get(key)!r}; known is {wanted}", "Use a model of that kind.")
    imagenet = bool(model.get("imagenet_default_mean_and_std", False))
    default_prompt = CAPTION_PROMPT if expected_task == CAPTION_TASK else ENTAILMENT_PROMPT
    prompt = _typed(TASK_FILE, "model.prompt", model.get("prompt", default_prompt), str)
    if expected_task == ENTAILMENT_TASK and prompt.count("{}") != 1:
        raise invalid(TASK_FILE, "model.prompt", f"{prompt!r} must hold exactly one {{}}")
    answers = model.get("answer2label")
    return TaskConfig(
        task=expected_task,
        prompt=prompt,
        prompt_type=model.get("prompt_type", "none"),
        search=_parse_search(model.get("beam_search", {})),
        patch_image_size=_positive("model.patch_image_size", model.get("patch_image_size", 480)),
        max_src_length=_positive("model.max_src_length", model.get("max_src_length", 256)),
        mean=IMAGENET_MEAN if imagenet else (0.5, 0.5, 0.5),
        std=IMAGENET_STD if imagenet else (0.5, 0.5, 0.5),
        answer2label=None if answers is None else _typed(TASK_FILE, "model.answer2label", answers, str),
    )


def _parse_search(body: Any) -> SearchConfig:
    section = _typed(TASK_FILE, "model.beam_search", body, dict)
    names = SearchConfig.__dataclass_fields__
    for key, value in section.items():
        if key in FIXED_SEARCH and value != FIXED_SEARCH[key]:
            raise invalid(TASK_FILE, f"model.beam_search.{key}", f"is {value!r}; only {FIXED_SEARCH[key]!r} is supported")
        if key not in names and key not in FIXED_SEARCH:
            raise invalid(TASK_FILE, f"model.beam_search.{key}", "is not a key of the search", "Correct or remove it.")
    search = SearchConfig(**{k: _typed(TASK_FILE, f"model.beam_search.{k}", v, int) for k, v in section.items() if k in names})
    if search.beam_size < 1 or search.no_repeat_ngram_size < 0 or not 0 <= search.min_len <= search.max_len_b:
        raise invalid(TASK_FILE, "model.beam_search", f"{search} is out of range", "Keep beam_size ≥ 1 and min_len ≤ max_len_b.")
    return search


def _positive(key: str, value: Any) -> int:
    number: int = _typed(TASK_FILE, key, value, int)
    if number < 1:
        raise invalid(TASK_FILE, key, f"is {number}; it must be positive")
    return number


def _typed(file: str, key: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise invalid(file, key, f"is {value!r}; expected {kind.__name__}", "Download the file again.")
    return value
