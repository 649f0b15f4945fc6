"""A whole, valid OFA model directory with random weights, the same on every machine for one seed.

For tests, for parity against the reference, and for running the product at real size without a model hub.
The weights are not neutral: every folded part (BatchNorm statistics, head gains, distance tables, norms) differs from its neutral
value, and the embedding is scaled so that beams branch and end at different lengths.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from workers.models.ofa.config import CONFIG_FILE, TASK_FILE, ModelConfig, parse_model_config
from workers.models.ofa.positions import token_buckets
from workers.models.ofa.schema import EMBEDDING, TIED, schema

Array = npt.NDArray[np.float32]

CAPTION_DISTILLED: Mapping[str, Any] = {
    "model_type": "ofa",
    "vocab_size": 59457,
    "d_model": 256,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "resnet_type": "resnet50",
}
ENTAILMENT_LARGE: Mapping[str, Any] = {
    **CAPTION_DISTILLED,
    "d_model": 1024,
    "encoder_layers": 12,
    "decoder_layers": 12,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "resnet_type": "resnet152",
}
TINY: Mapping[str, Any] = {  # small everywhere but in vocabulary; near and far token buckets are both reached
    **CAPTION_DISTILLED,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 48,
    "resnet_type": "resnet18",
    "token_bucket_size": 8,
    "image_bucket_size": 10,
    "code_image_size": 64,
}
CAPTION_TASK_BODY: Mapping[str, Any] = {
    "framework": "pytorch",
    "task": "image-captioning",
    "model": {
        "type": "ofa",
        "beam_search": {"beam_size": 5, "max_len_b": 16, "min_len": 1, "no_repeat_ngram_size": 3},
        "seed": 7,
        "max_src_length": 256,
        "language": "en",
        "gen_type": "generation",
        "patch_image_size": 480,
        "max_image_size": 480,
        "imagenet_default_mean_and_std": False,
    },
    "pipeline": {"type": "image-captioning"},
}
ENTAILMENT_TASK_BODY: Mapping[str, Any] = {
    "framework": "pytorch",
    "task": "visual-entailment",
    "model": {
        **{k: v for k, v in CAPTION_TASK_BODY["model"].items() if k != "beam_search"},
        "gen_type": "traverse",
        "prompt_type": "prev_output",
        "answer2label": "answer2label.json",
    },
    "pipeline": {"type": "visual-entailment"},
}
ANSWERS = {"no": 0, "yes": 1, "maybe": 2}

SPREAD = 5.0  # standard deviation of the logits
END = (11.0, 18.0)  # range of the end token's mean logit: some models talk little, some to the last token


def random_weights(config: ModelConfig, seed: int) -> dict[str, Array]:
    """Every required tensor of the schema, float32. Each key has its own random stream, so their order does not matter."""
    end = np.random.default_rng([seed, 0]).uniform(*END)
    weights = {key: _draw(key, shape, seed) for key, shape in schema(config).required.items()}
    weights[EMBEDDING] *= np.float32(SPREAD * config.d_model**-0.5)
    centre = weights["decoder.layer_norm.bias"]  # the constant part of every hidden state
    weights[EMBEDDING][config.eos_token_id] += centre * np.float32(end / float(centre @ centre))
    weights[EMBEDDING][config.pad_token_id] = 0.0
    return weights


def checkpoint(config: ModelConfig, seed: int) -> dict[str, Array | npt.NDArray[np.int64]]:
    """`random_weights` and all else that ModelScope's own checkpoints carry: copies, indices, unused tables."""
    weights: dict[str, Array | npt.NDArray[np.int64]] = {**random_weights(config, seed)}
    weights |= dict.fromkeys(TIED, weights[EMBEDDING])
    size, side = config.image_bucket_size, config.code_image_size // 8
    window = (np.arange(side)[:, None] * size + np.arange(side) + 1).ravel()
    indices = {
        "image_rp_bucket": _image_index(size),
        "token_rp_bucket": token_buckets(config.token_bucket_size).numpy(),
        "image_position_idx": np.concatenate([[0], window, np.full(768, 1024)]),
        "num_batches_tracked": np.array(1),
    }
    for key, shape in schema(config).unused.items():
        index = indices.get(key.rpartition(".")[2])
        if not key.endswith(".version"):
            weights[key] = _draw(key, shape, seed) if index is None else index.astype(np.int64)
    return weights


def _image_index(size: int) -> npt.NDArray[np.int64]:
    """[size² + 1, size² + 1] rows of the picture table; the first row and column are no place in the picture."""
    row, column = np.divmod(np.arange(size * size), size)
    span = 2 * size - 1
    index = np.empty((size * size + 1,) * 2, dtype=np.int64)
    index[1:, 1:] = (row[:, None] - row + size - 1) * span + column[:, None] - column + size - 1
    index[0, :], index[:, 0], index[0, 0] = span * span, span * span + 1, span * span + 2
    return index


def _draw(key: str, shape: tuple[int, ...], seed: int) -> Array:
    noise: Array = np.random.default_rng([seed, zlib.crc32(key.encode())]).standard_normal(shape, dtype=np.float32)
    if key.endswith("running_var"):
        spread: Array = np.exp(0.3 * noise)
        return spread
    if key.endswith("c_attn"):
        return 1 + 0.4 * noise
    if "rel_pos_table" in key:
        return 0.5 * noise
    if "embed_tokens" in key or "type_embedding" in key or "positions" in key:
        return noise
    if key.endswith("running_mean"):
        return 0.3 * noise
    if len(shape) == 4:  # convolutions, to keep the size of what passes
        return noise * np.float32((2 / (shape[1] * shape[2] * shape[3])) ** 0.5)
    if len(shape) == 2:
        gain = 1.5 if any(part in key for part in ("q_proj", "k_proj", "pos_q", "pos_k")) else 1.0
        return noise * np.float32(gain * shape[1] ** -0.5)
    if key == "decoder.layernorm_embedding.weight":
        return noise  # of mixed sign: else each token's own logit, tied to its embedding, would win the next step
    if key.endswith(".weight"):  # norms; the last of a residual branch is small, as in a trained net
        return (0.5 if ".bn3." in key else 1.0) + 0.2 * noise
    return 0.2 * noise


def random_picture(seed: int, height: int = 90, width: int = 120) -> npt.NDArray[np.uint8]:
    """[height, width, 3] of soft coloured blobs with some grain."""
    rng = np.random.default_rng([seed, 1])
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    blobs = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    picture: npt.NDArray[np.uint8] = np.clip(blobs + rng.integers(-20, 21, blobs.shape), 0, 255).astype(np.uint8)
    return picture


def write_directory(
    path: Path,
    bpe: Path,
    *,
    model: Mapping[str, Any] = CAPTION_DISTILLED,
    task: Mapping[str, Any] = CAPTION_TASK_BODY,
    seed: int = 0,
) -> Path:
    """A model directory as ModelScope lays it out, weights as `pytorch_model.bin`.

    `bpe` is a folder with vocab.json and merges.txt, plain or with `.gz`.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / CONFIG_FILE).write_text(json.dumps(model, indent=1))
    (path / TASK_FILE).write_text(json.dumps(task, indent=1))
    for name in ("vocab.json", "merges.txt"):
        packed = bpe / f"{name}.gz"
        (path / name).write_bytes(gzip.decompress(packed.read_bytes()) if packed.exists() else (bpe / name).read_bytes())
    if "answer2label" in task["model"]:
        (path / task["model"]["answer2label"]).write_text(json.dumps(ANSWERS))
    weights = checkpoint(parse_model_config(model), seed)
    shared = {id(v): torch.from_numpy(v) for v in weights.values()}  # copies of the embedding are stored once
    torch.save({k: shared[id(v)] for k, v in weights.items()}, path / "pytorch_model.bin")
    return path
