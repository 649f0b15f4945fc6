"""Opens an OFA model directory. No other file of this package reads from a disk.

It is strict: no unknown or missing key, every shape is checked, and only tensors are unpickled. A fault is one
ModelDirectoryInvalid that names file, key and remedy.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tagger.errors import ModelDirectoryInvalid, StorageUnavailable
from workers.models.ofa.caption import OfaCaption, make_caption
from workers.models.ofa.config import (
    CAPTION_TASK,
    CONFIG_FILE,
    ENTAILMENT_TASK,
    TASK_FILE,
    ModelConfig,
    TaskConfig,
    invalid,
    parse_model_config,
    parse_task_config,
)
from workers.models.ofa.entail import OfaEntailment, make_entailment
from workers.models.ofa.schema import EMBEDDING, schema
from workers.models.ofa.tokenizer import MERGES_FILE, VOCABULARY_FILE, OfaTokenizer, parse_merges

SAFE_FILE = "model.safetensors"
TORCH_FILE = "pytorch_model.bin"
FETCH = "Run `tagger models pull` to fetch the directory again."


@dataclass(frozen=True, eq=False)
class Directory:
    """What a model directory holds, read and checked."""

    config: ModelConfig
    task: TaskConfig
    weights: Mapping[str, Tensor]  # every required key, float32, and the token index if the checkpoint has it
    tokenizer: OfaTokenizer
    answers: Mapping[str, Any]  # answer → label; empty for captioning
    revision: str  # first 8 hex of the hash of weights, vocabulary and task


def load_caption(path: Path, *, device: str = "auto", dtype: torch.dtype | None = None) -> OfaCaption:
    """The captioning model of a directory, on `device`; `auto` is the GPU where there is one, else the CPU.

    float32 on a CPU, bfloat16 elsewhere, unless `dtype` says otherwise. Raises ModelDirectoryInvalid.
    """
    directory = read_directory(path, CAPTION_TASK)
    with torch.inference_mode():
        model = make_caption(directory.weights, directory.config, directory.task, directory.tokenizer, directory.revision)
        return model.to(*_place(device, dtype))


def load_entailment(path: Path, *, device: str = "auto", dtype: torch.dtype | None = None) -> OfaEntailment:
    """The entailment model of a directory; as `load_caption`."""
    directory = read_directory(path, ENTAILMENT_TASK)
    with torch.inference_mode():
        model = make_entailment(
            directory.weights, directory.config, directory.task, directory.tokenizer, directory.answers, directory.revision
        )
        return model.to(*_place(device, dtype))


def _place(device: str, dtype: torch.dtype | None) -> tuple[torch.device, torch.dtype]:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(device)
    return place, dtype or (torch.float32 if place.type == "cpu" else torch.bfloat16)


def read_directory(path: Path, task_name: str) -> Directory:
    """Read and check all files of a directory that is for `task_name`. Raises ModelDirectoryInvalid."""
    config = parse_model_config(_json(path / CONFIG_FILE))
    task_body = _json(path / TASK_FILE)
    task = parse_task_config(task_body, task_name)
    vocabulary = _json(path / VOCABULARY_FILE)
    merges = _text(path / MERGES_FILE)
    tokenizer = OfaTokenizer(vocabulary, parse_merges(merges), vocab_size=config.vocab_size)
    answers = _json(path / task.answer2label) if task.answer2label else {}
    weights = read_weights(path, config)
    content = json.dumps([task_body, vocabulary, merges, answers], sort_keys=True)
    return Directory(config, task, weights, tokenizer, answers, _revision(weights, content))


def read_weights(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """The checked checkpoint: `model.safetensors` where present, else `pytorch_model.bin`. Raises ModelDirectoryInvalid."""
    file = path / SAFE_FILE if (path / SAFE_FILE).exists() else path / TORCH_FILE
    return check_weights(_tensors(file), config, file.name)


def check_weights(tensors: Mapping[str, Tensor], config: ModelConfig, file: str) -> dict[str, Tensor]:
    """Every required key with its shape, finite, float32; every other key known. Raises ModelDirectoryInvalid."""
    wanted = schema(config)
    for key in wanted.required:
        if key not in tensors:
            raise invalid(file, key, "is missing", FETCH)
    expected = {**wanted.required, **wanted.tied, **wanted.unused}
    for key, tensor in tensors.items():
        if key not in expected:
            raise invalid(file, key, "is not a key of this model", "Use the config.json that belongs to the weights.")
        if tuple(tensor.shape) != expected[key]:
            shapes = f"has the shape {tuple(tensor.shape)}, not {expected[key]}"
            raise invalid(file, key, shapes, "Use the config.json that belongs to the weights.")
    for key in wanted.tied:
        if key in tensors and not torch.equal(tensors[key], tensors[EMBEDDING]):
            raise invalid(file, key, f"differs from {EMBEDDING}, which it should copy", FETCH)
    weights = {key: tensors[key].float() for key in wanted.required}
    for key, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise invalid(file, key, "holds a number that is not finite", FETCH)
    return weights | {key: tensors[key] for key in wanted.unused if key.endswith(".token_rp_bucket") and key in tensors}


def convert(path: Path) -> Path:
    """`pytorch_model.bin` → `model.safetensors` beside it, checked against config.json before and after. Returns the new file.

    Only tensors that the computation uses are kept. The old file stays. Raises ModelDirectoryInvalid, and StorageUnavailable
    if the new file cannot be written.
    """
    config = parse_model_config(_json(path / CONFIG_FILE))
    weights = check_weights(_tensors(path / TORCH_FILE), config, TORCH_FILE)
    target, draft = path / SAFE_FILE, path / f"{SAFE_FILE}.part"
    try:
        _save({key: tensor.contiguous() for key, tensor in weights.items()}, draft)
        written = check_weights(_tensors(draft), config, draft.name)
        if written.keys() != weights.keys() or not all(torch.equal(written[k], v) for k, v in weights.items()):
            raise invalid(SAFE_FILE, "content", "does not read back as written", "Check the disk and convert again.")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _save(weights: dict[str, Tensor], file: Path) -> None:
    try:
        save_file(weights, file)
    except (OSError, SafetensorError) as error:
        reason = str(error).split("\n")[0][:200]
        raise StorageUnavailable(f"{file.name} cannot be written: {reason}.", f"Free space in {file.parent}.") from error


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".bin":
            loaded = torch.load(file, map_location="cpu", weights_only=True)
        else:
            loaded = load_file(file)
    except FileNotFoundError:
        raise _missing(file) from None
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        reason = str(error).split("\n")[0][:200]
        raise invalid(file.name, "content", f"cannot be read, it may be cut short: {reason}", FETCH) from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise invalid(file.name, "content", "is not a plain dictionary of tensors", FETCH)
    return loaded


def _json(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise invalid(file.name, f"line {error.lineno}", f"is not JSON: {error.msg}", FETCH) from error
    if not isinstance(body, dict):
        raise invalid(file.name, "content", "is not a JSON object", FETCH)
    return body


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _missing(file) from None
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(file.name, "content", f"cannot be read: {error}", FETCH) from error


def _missing(file: Path) -> ModelDirectoryInvalid:
    return invalid(file.name, "file", f"is missing from {file.parent}", FETCH)


def _revision(weights: Mapping[str, Tensor], content: str) -> str:
    """Equal for equal numbers, whatever the file format is. The task is part of it, too."""
    digest = hashlib.sha256(content.encode())
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:8]
