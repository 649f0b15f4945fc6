"""Opens a GME model directory. No other file of this package reads from a disk.

It is strict: only safetensors, no unknown or missing key, and every shape is checked before any weight is read. Checkpoints of
both key layouts load: `model.layers…` with `visual…` (as published), and `model.language_model.layers…` with `model.visual…`.
A fault is one ModelDirectoryInvalid that names file, key and remedy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLModel
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLRotaryEmbedding, Qwen2VLVisionRotaryEmbedding

from tagger.errors import ModelDirectoryInvalid
from workers.models.gme.model import Gme, Reads
from workers.models.gme.prepare import END_TOKEN, IMAGE_TOKEN, Bounds, Patches

CONFIG_FILE, TOKENIZER_FILE, PREPROCESSOR_FILE = "config.json", "tokenizer.json", "preprocessor_config.json"
WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
UNUSED = "lm_head.weight"  # a generator's output; an embedding model has none
FETCH = "Run `tagger models pull` to fetch the directory again."
MATCH = "Use the config.json that belongs to the weights."
# Most tokens in one pass, padding included. One picture keeps a CPU busy; more at once do not fit into its caches.
CPU_TOKENS, DEVICE_TOKENS = 512, 32_768


def load(path: Path, *, device: str = "cpu", dtype: torch.dtype | None = None, bounds: Bounds | None = None) -> Gme:
    """The embedding model of a directory. float32 on a CPU, bfloat16 elsewhere, unless `dtype` says otherwise.

    Other `bounds` give another revision, because vectors made under different bounds cannot be compared.
    Raises ModelDirectoryInvalid.
    """
    bounds = bounds or Bounds()
    if not 4 <= bounds.least <= bounds.most <= 16_384:
        raise invalid("settings", "visual_tokens", f"are {bounds.least} to {bounds.most}", "Choose 4 ≤ least ≤ most ≤ 16384.")
    place = torch.device(device)
    config_body = _object(path / CONFIG_FILE)
    config = _config(config_body)
    patches = _patches(_object(path / PREPROCESSOR_FILE), config)
    tokenizer = _tokenizer(path / TOKENIZER_FILE, config)
    with torch.device("meta"):
        network = Qwen2VLModel(config)
    shards = _shards(path)
    _fill(network, shards, dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16))
    revision = _revision([*shards, path / CONFIG_FILE, path / TOKENIZER_FILE, path / PREPROCESSOR_FILE], bounds)
    reads = Reads(bounds=bounds, patches=patches, image_token=config.image_token_id)
    most = CPU_TOKENS if place.type == "cpu" else DEVICE_TOKENS
    return Gme(network, tokenizer, reads, revision, most_tokens=most).to(place)


def inspect(path: Path) -> None:
    """Checks everything that `load` checks, except the numbers. It reads no weights. Raises ModelDirectoryInvalid."""
    config = _config(_object(path / CONFIG_FILE))
    _patches(_object(path / PREPROCESSOR_FILE), config)
    _tokenizer(path / TOKENIZER_FILE, config)
    with torch.device("meta"):
        network = Qwen2VLModel(config)
    _places(network, _shards(path))


def invalid(file: str, key: str, what: str, remedy: str) -> ModelDirectoryInvalid:
    return ModelDirectoryInvalid(f"{file}: {key} {what}.", remedy)


def _config(body: Mapping[str, Any]) -> Any:  # a Qwen2VLConfig; its parts have the types that were read from the file
    if body.get("model_type") != "qwen2_vl":
        raise invalid(
            CONFIG_FILE, "model_type", f"is {body.get('model_type')!r}, not 'qwen2_vl'", "Use a GME Qwen2-VL directory."
        )
    for key in ("vision_config", "image_token_id"):
        if key not in body:
            raise invalid(CONFIG_FILE, key, "is missing", FETCH)
    try:
        return Qwen2VLConfig.from_dict(dict(body))
    except Exception as err:
        raise invalid(CONFIG_FILE, "content", f"is refused: {str(err)[:200]}", FETCH) from err


def _patches(body: Mapping[str, Any], config: Any) -> Patches:
    vision = config.vision_config
    expected = {
        "patch_size": vision.patch_size,
        "merge_size": vision.spatial_merge_size,
        "temporal_patch_size": vision.temporal_patch_size,
    }
    for key, value in expected.items():
        if body.get(key, value) != value:
            raise invalid(PREPROCESSOR_FILE, key, f"is {body[key]}, but config.json says {value}", MATCH)
    default = Patches()
    means, stds = body.get("image_mean", default.mean), body.get("image_std", default.std)
    for key, numbers in (("image_mean", means), ("image_std", stds)):
        if len(numbers) != 3 or not all(isinstance(n, (int, float)) for n in numbers):
            raise invalid(PREPROCESSOR_FILE, key, "is not three numbers", FETCH)
    return Patches(
        size=vision.patch_size,
        merge=vision.spatial_merge_size,
        frames=vision.temporal_patch_size,
        mean=tuple(means),
        std=tuple(stds),
    )


def _tokenizer(file: Path, config: Any) -> Tokenizer:
    text = _text(file)
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as err:
        raise invalid(file.name, "content", f"is not a tokenizer: {str(err)[:200]}", FETCH) from err
    if tokenizer.token_to_id(IMAGE_TOKEN) != config.image_token_id:
        token_id = tokenizer.token_to_id(IMAGE_TOKEN)
        raise invalid(file.name, IMAGE_TOKEN, f"has the id {token_id}, but config.json says {config.image_token_id}", MATCH)
    if tokenizer.token_to_id(END_TOKEN) is None:
        raise invalid(file.name, END_TOKEN, "is missing", FETCH)
    if tokenizer.get_vocab_size() > config.text_config.vocab_size:
        words, rows = tokenizer.get_vocab_size(), config.text_config.vocab_size
        raise invalid(file.name, "vocabulary", f"has {words} words, but config.json only {rows}", MATCH)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _shards(path: Path) -> list[Path]:
    """The files of the weights."""
    if (path / WEIGHTS_FILE).exists():
        return [path / WEIGHTS_FILE]
    if not (path / INDEX_FILE).exists():
        raise invalid(WEIGHTS_FILE, "file", f"is missing from {path}, and {INDEX_FILE} is, too", FETCH)
    names = _object(path / INDEX_FILE).get("weight_map")
    if not isinstance(names, dict) or not names or not all(_is_plain_name(name) for name in names.values()):
        raise invalid(INDEX_FILE, "weight_map", "is not a table of keys and file names", FETCH)
    return [path / name for name in sorted(set(names.values()))]


def _is_plain_name(name: object) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name


def _places(network: Any, shards: list[Path]) -> dict[str, tuple[Path, str]]:
    """Key of the network → file, and key in that file. Checks all keys and shapes."""
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    where: dict[str, tuple[Path, str]] = {}
    for file in shards:
        for key, shape in _header(file).items():
            name = modern(key)
            if name is None:
                continue
            if name not in wanted:
                raise invalid(file.name, key, "is not a key of this model", MATCH)
            if name in where:
                raise invalid(file.name, key, f"is there twice, also in {where[name][0].name}", FETCH)
            if shape != wanted[name]:
                raise invalid(file.name, key, f"has the shape {shape}, not {wanted[name]}", MATCH)
            where[name] = (file, key)
    for name in wanted:
        if name not in where:
            raise invalid(" and ".join(file.name for file in shards), name, "is missing", FETCH)
    return where


def _fill(network: Any, shards: list[Path], dtype: torch.dtype) -> None:
    """Reads the weights into the network. Before that, its tensors have no storage."""
    where = _places(network, shards)
    network.load_state_dict({name: _tensor(*where[name], dtype) for name in where}, strict=True, assign=True)
    network.language_model.rotary_emb = Qwen2VLRotaryEmbedding(network.config.text_config)  # computed, so in no file
    network.visual.rotary_pos_emb = Qwen2VLVisionRotaryEmbedding(network.config.vision_config)
    empty = [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]
    if empty:
        raise invalid(CONFIG_FILE, empty[0], "has no values in this version of transformers", "Install transformers 5.23.")


def modern(key: str) -> str | None:
    """A checkpoint's key in Qwen2VLModel's own layout, whatever layout it has; None: known, but not used."""
    bare = key.removeprefix("model.")
    if key == UNUSED:
        return None
    return bare if bare.startswith(("language_model.", "visual.")) else f"language_model.{bare}"


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    """Key → shape."""
    try:
        with safe_open(file, framework="pt") as opened:
            return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError) as err:
        raise _unreadable(file, err) from err


def _tensor(file: Path, key: str, dtype: torch.dtype) -> Tensor:
    try:
        with safe_open(file, framework="pt") as opened:
            tensor: Tensor = opened.get_tensor(key).to(dtype)
    except (OSError, SafetensorError, ValueError) as err:
        raise _unreadable(file, err) from err
    if not bool(torch.isfinite(tensor).all()):
        raise invalid(file.name, key, "holds a number that is not finite", FETCH)
    return tensor


def _object(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(_text(file))
    except json.JSONDecodeError as err:
        raise invalid(file.name, f"line {err.lineno}", f"is not JSON: {err.msg}", FETCH) from err
    if not isinstance(body, dict):
        raise invalid(file.name, "content", "is not a JSON object", FETCH)
    return body


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise _unreadable(file, err) from err


def _unreadable(file: Path, err: Exception) -> ModelDirectoryInvalid:
    if isinstance(err, FileNotFoundError):
        return invalid(file.name, "file", f"is missing from {file.parent}", FETCH)
    return invalid(file.name, "content", f"cannot be read, it may be cut short: {str(err)[:200]}", FETCH)


def _revision(files: list[Path], bounds: Bounds) -> str:
    """Of the content of all files and of the bounds."""
    digest = hashlib.sha256(f"{bounds.least} {bounds.most}".encode())
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:8]
