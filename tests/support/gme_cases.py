"""A tiny GME with random weights and a tokenizer of bytes, and its directory on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2VLConfig, Qwen2VLModel

from tagger.prediction import Pixels

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def tokenizer() -> Tokenizer:
    """One token per byte, and the marks of Qwen2-VL."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return made


def config_body(tokens: Tokenizer) -> dict[str, Any]:
    """config.json as it is published: flat, with the old names."""
    return {
        "model_type": "qwen2_vl",
        "image_token_id": tokens.token_to_id("<|image_pad|>"),
        "video_token_id": tokens.token_to_id("<|video_pad|>"),
        "vision_start_token_id": tokens.token_to_id("<|vision_start|>"),
        "vision_end_token_id": tokens.token_to_id("<|vision_end|>"),
        "bos_token_id": 256,
        "eos_token_id": 256,
        "vocab_size": 272,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "auto_map": {"AutoModel": "modeling_gme.Gme"},  # names remote code, which nobody runs
        "vision_config": {
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "in_channels": 3,
        },
    }


def network(body: dict[str, Any], seed: int = 0) -> Qwen2VLModel:
    """Random weights that bite: biases and norms that are neither zero nor one."""
    torch.manual_seed(seed)
    made = Qwen2VLModel(Qwen2VLConfig.from_dict(dict(body))).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.ndim == 1:
                weight.copy_(torch.randn_like(weight) * 0.2 + (0.0 if name.endswith("bias") else 1.0))
            else:
                weight.copy_(torch.randn_like(weight) * weight.shape[-1] ** -0.5)
    return made


def directory(path: Path, *, layout: str = "old", body: dict[str, Any] | None = None) -> Path:
    """A model directory in the published (`old`) or transformers' own (`new`) key layout."""
    path.mkdir(parents=True, exist_ok=True)
    tokens = tokenizer()
    body = body or config_body(tokens)
    tokens.save(str(path / "tokenizer.json"))
    (path / "config.json").write_text(json.dumps(body))
    (path / "preprocessor_config.json").write_text(
        json.dumps({"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 3136, "max_pixels": 12845056})
    )
    weights = {renamed(key, layout): tensor.contiguous() for key, tensor in network(body).state_dict().items()}
    save_file(weights, path / "model.safetensors")
    return path


def renamed(key: str, layout: str) -> str:
    if layout == "new":
        return f"model.{key}"
    return key.replace("language_model.", "model.") if key.startswith("language_model.") else key


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1)[:height, :width])
