"""A GME directory loads completely or not at all. The error names file, key and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from support import gme_cases as cases  # noqa: E402

from tagger.errors import ModelDirectoryInvalid  # noqa: E402
from workers.models.gme.load import load  # noqa: E402
from workers.models.gme.prepare import Bounds  # noqa: E402

BOUNDS = Bounds(least=4, most=16)


def test_both_layouts_of_keys_and_shards_give_the_same_model(tmp_path: Path) -> None:
    old = load(cases.directory(tmp_path / "old"), bounds=BOUNDS)
    new = load(cases.directory(tmp_path / "new", layout="new"), bounds=BOUNDS)
    sharded = cases.directory(tmp_path / "sharded")
    weights = load_file(sharded / "model.safetensors")
    names = sorted(weights)
    table: dict[str, str] = {}
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({key: weights[key] for key in some}, sharded / file)
        table |= dict.fromkeys(some, file)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (sharded / "model.safetensors").unlink()
    parted = load(sharded, bounds=BOUNDS)
    item = old.prepare(cases.picture(60, 90), "")
    for other in (new, parted):
        np.testing.assert_array_equal(old.run([item])[0], other.run([item])[0])
    assert old.revision != new.revision  # the content of the files differs


def test_an_unused_output_layer_is_known(tmp_path: Path) -> None:
    home = cases.directory(tmp_path)
    weights = load_file(home / "model.safetensors")
    save_file({**weights, "lm_head.weight": weights["model.embed_tokens.weight"].clone()}, home / "model.safetensors")
    load(home, bounds=BOUNDS)


def test_other_bounds_are_another_revision(tmp_path: Path) -> None:
    home = cases.directory(tmp_path)
    assert load(home, bounds=BOUNDS).revision == load(home, bounds=BOUNDS).revision
    assert load(home, bounds=BOUNDS).revision != load(home, bounds=Bounds(least=4, most=32)).revision


def spoil_key(home: Path, spoil: str) -> None:
    weights = load_file(home / "model.safetensors")
    match spoil:
        case "missing":
            del weights["model.layers.1.mlp.up_proj.weight"]
        case "extra":
            weights["model.layers.9.mlp.up_proj.weight"] = torch.zeros(2)
        case "shape":
            weights["visual.blocks.0.norm1.weight"] = torch.zeros(3)
        case "nan":
            weights["model.norm.weight"][0] = float("nan")
        case "twice":
            weights["language_model.norm.weight"] = weights["model.norm.weight"].clone()
    save_file(weights, home / "model.safetensors")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("missing", "language_model.layers.1.mlp.up_proj.weight is missing"),
        ("extra", "model.layers.9.mlp.up_proj.weight is not a key"),
        ("shape", r"visual.blocks.0.norm1.weight has the shape \(3,\), not \(32,\)"),
        ("nan", "model.norm.weight holds a number that is not finite"),
        ("twice", "norm.weight is there twice"),
    ],
)
def test_wrong_weights_are_refused(tmp_path: Path, spoil: str, words: str) -> None:
    home = cases.directory(tmp_path)
    spoil_key(home, spoil)
    with pytest.raises(ModelDirectoryInvalid, match=words) as caught:
        load(home, bounds=BOUNDS)
    assert "model.safetensors" in str(caught.value)
    assert caught.value.info().remedy


def test_a_file_cut_short_or_gone_is_named(tmp_path: Path) -> None:
    home = cases.directory(tmp_path)
    whole = (home / "model.safetensors").read_bytes()
    (home / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelDirectoryInvalid, match=r"model.safetensors: content cannot be read"):
        load(home, bounds=BOUNDS)
    (home / "model.safetensors").unlink()
    with pytest.raises(ModelDirectoryInvalid, match=r"model.safetensors: file is missing"):
        load(home, bounds=BOUNDS)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "preprocessor_config.json"])
def test_each_other_file_is_needed_whole(tmp_path: Path, file: str) -> None:
    home = cases.directory(tmp_path)
    whole = (home / file).read_text()
    (home / file).write_text(whole[: len(whole) // 2])
    with pytest.raises(ModelDirectoryInvalid, match=file):
        load(home, bounds=BOUNDS)
    (home / file).unlink()
    with pytest.raises(ModelDirectoryInvalid, match=f"{file}: file is missing"):
        load(home, bounds=BOUNDS)


def test_a_directory_of_another_model_is_refused(tmp_path: Path) -> None:
    home = cases.directory(tmp_path)
    body = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**body, "model_type": "bert"}))
    with pytest.raises(ModelDirectoryInvalid, match="model_type is 'bert'"):
        load(home, bounds=BOUNDS)
    (home / "config.json").write_text(json.dumps({**body, "image_token_id": 3}))
    with pytest.raises(ModelDirectoryInvalid, match=r"image_pad.*has the id 261"):
        load(home, bounds=BOUNDS)


def test_an_index_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    home = cases.directory(tmp_path)
    (home / "model.safetensors").unlink()
    (home / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../other.safetensors"}}))
    with pytest.raises(ModelDirectoryInvalid, match="weight_map"):
        load(home, bounds=BOUNDS)


def test_bounds_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryInvalid, match="visual_tokens"):
        load(cases.directory(tmp_path), bounds=Bounds(least=100, most=10))
