"""Model directories on disk: loading, converting, and one clear error for every kind of damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors import SafetensorError  # noqa: E402
from support.ofa_directory import caption_directory, entailment_directory  # noqa: E402

from tagger.errors import ModelDirectoryInvalid, ModelError, StorageUnavailable  # noqa: E402
from workers.models.base import cosine  # noqa: E402
from workers.models.ofa import load  # noqa: E402
from workers.models.ofa.caption import RawCaption  # noqa: E402
from workers.models.ofa.load import convert, load_caption, load_entailment  # noqa: E402
from workers.models.ofa.synthetic import random_picture  # noqa: E402

BIN = "pytorch_model.bin"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_caption_comes_with_its_probability(tmp_path: Path) -> None:
    model = load_caption(caption_directory(tmp_path))
    picture = random_picture(1)
    (raw,) = model.run([model.prepare(picture, "")])
    part = model.finish(raw, picture)
    assert part.caption is not None
    assert part.model == part.caption.model == f"ofa-caption@{model.revision}"
    assert part.caption.text
    assert part.caption.log_prob is not None
    assert part.caption.score == pytest.approx(np.exp(part.caption.log_prob))
    assert len(model.revision) == 8


def test_a_batch_says_what_each_picture_says_alone(tmp_path: Path) -> None:
    model = load_caption(caption_directory(tmp_path))
    items = [model.prepare(random_picture(i), "") for i in range(5)]
    together = model.run(items)
    for item, raw in zip(items, together, strict=True):
        (alone,) = model.run([item])
        assert alone.tokens == raw.tokens
        assert alone.log_prob == pytest.approx(raw.log_prob, abs=1e-5)


def test_entailment_answers_each_statement_of_a_batch(tmp_path: Path) -> None:
    model = load_entailment(entailment_directory(tmp_path))
    picture = random_picture(2)
    items = [model.prepare(picture, text) for text in ("A dog.", "Two cats on a very long red sofa in the sun", "Snow")]
    parts = [model.finish(raw, picture) for raw in model.run(items)]
    answers = [part.entailment[0] for part in parts]
    assert [a.text for a in answers] == [item.text for item in items]
    assert all(a.yes + a.maybe + a.no == pytest.approx(1) for a in answers)


def test_the_canary_reads_as_its_golden_vector_and_notices_damage(tmp_path: Path) -> None:
    for model in (load_caption(caption_directory(tmp_path)), load_entailment(entailment_directory(tmp_path))):
        healthy = model.reading(model.run([model.canary()])[0])
        assert cosine(healthy, model.golden()) > 0.999999
        with torch.no_grad():
            model._network.encoder.layers[1].feed_forward.fc2.weight.mul_(-1)
        assert cosine(model.reading(model.run([model.canary()])[0]), model.golden()) < 0.99


def test_bfloat16_passes_the_canary(tmp_path: Path) -> None:
    caption = load_caption(caption_directory(tmp_path), dtype=torch.bfloat16)
    assert cosine(caption.reading(caption.run([caption.canary()])[0]), caption.golden()) > 0.999


def test_converting_changes_the_file_and_nothing_else(tmp_path: Path) -> None:
    folder = caption_directory(tmp_path)
    before = load_caption(folder)
    target = convert(folder)
    assert target == folder / "model.safetensors"
    (folder / BIN).unlink()
    after = load_caption(folder)
    item = before.prepare(random_picture(3), "")
    assert after.run([item])[0].tokens == before.run([item])[0].tokens
    assert after.revision == before.revision
    assert not list(folder.glob("*.part"))


def test_other_weights_and_other_prompts_are_other_revisions(tmp_path: Path) -> None:
    folder = caption_directory(tmp_path)
    first = load_caption(folder).revision
    spoil_tensor(folder, "decoder.layer_norm.bias", lambda t: t + 1)
    second = load_caption(folder).revision
    body = json.loads((folder / "configuration.json").read_text())
    body["model"]["prompt"] = " what is this?"
    (folder / "configuration.json").write_text(json.dumps(body))
    assert len({first, second, load_caption(folder).revision}) == 3


def spoil(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = torch.load(folder / BIN, weights_only=True)
    change(weights)
    torch.save(weights, folder / BIN)


def spoil_tensor(folder: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    spoil(folder, lambda w: w.update({key: change(w[key])}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def set_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing key": (
        lambda d: spoil(d, lambda w: w.pop("encoder.layers.1.fc1.weight")),
        f"{BIN}: encoder.layers.1.fc1.weight: is missing",
    ),
    "extra key": (
        lambda d: spoil(d, lambda w: w.update({"encoder.layers.9.fc1.weight": torch.zeros(1)})),
        f"{BIN}: encoder.layers.9.fc1.weight: is not a key of this model",
    ),
    "wrong shape": (
        lambda d: spoil_tensor(d, "encoder.image_proj.bias", lambda t: t[:-1]),
        f"{BIN}: encoder.image_proj.bias: has the shape (31,), not (32,)",
    ),
    "wrong shape of a part that is not used": (
        lambda d: spoil_tensor(d, "decoder.image_pos_ln.weight", lambda t: t[:-1]),
        f"{BIN}: decoder.image_pos_ln.weight: has the shape (31,), not (32,)",
    ),
    "not a number": (
        lambda d: spoil_tensor(d, "decoder.pos_ln.bias", lambda t: t * float("nan")),
        f"{BIN}: decoder.pos_ln.bias: holds a number that is not finite",
    ),
    "a copy that differs": (
        lambda d: spoil_tensor(d, "decoder.output_projection.weight", lambda t: t + 1),
        f"{BIN}: decoder.output_projection.weight: differs from encoder.embed_tokens.weight",
    ),
    "cut weights": (lambda d: cut(d / BIN), f"{BIN}: content: cannot be read"),
    "no weights": (lambda d: (d / BIN).unlink(), f"{BIN}: file: is missing"),
    "a pickle of code": (
        lambda d: torch.save({"encoder": Path("x")}, d / BIN),
        f"{BIN}: content: cannot be read",
    ),
    "not a dictionary": (lambda d: torch.save([torch.zeros(1)], d / BIN), f"{BIN}: content: is not a plain dictionary"),
    "cut safetensors": (
        lambda d: (convert(d), cut(d / "model.safetensors")),
        "model.safetensors: content: cannot be read",
    ),
    "unknown gen_type": (
        lambda d: set_json(d / "configuration.json", model={"type": "ofa", "gen_type": "dream"}),
        "configuration.json: model.gen_type: is 'dream'",
    ),
    "cut configuration": (lambda d: cut(d / "configuration.json"), "configuration.json: line "),
    "no configuration": (lambda d: (d / "config.json").unlink(), "config.json: file: is missing"),
    "cut vocabulary": (lambda d: cut(d / "vocab.json"), "vocab.json: "),
    "another vocabulary": (lambda d: (d / "vocab.json").write_text("{}"), "vocab.json: <s>: is None"),
    "other sizes": (
        lambda d: set_json(d / "config.json", d_model=64),
        f"{BIN}: encoder.layernorm_embedding.weight: has the shape (32,), not (64,)",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_error_that_names_file_key_and_remedy(tmp_path: Path, name: str) -> None:
    folder = caption_directory(tmp_path)
    damage, said = DAMAGE[name]
    damage(folder)
    with pytest.raises(ModelDirectoryInvalid) as caught:
        load_caption(folder)
    if name != "other sizes":  # there, which of the wrong shapes is met first does not matter
        assert str(caught.value).startswith(said)
    assert caught.value.info().remedy


def test_answers_that_are_not_three_single_tokens_are_refused(tmp_path: Path) -> None:
    folder = entailment_directory(tmp_path)
    (folder / "answer2label.json").write_text(json.dumps({"yes": 0, "no": 1}))
    with pytest.raises(ModelDirectoryInvalid, match="answer2label"):
        load_entailment(folder)


def test_a_caption_directory_is_no_entailment_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryInvalid, match=r"configuration.json: task: is 'image-captioning'"):
        load_entailment(caption_directory(tmp_path))


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = caption_directory(tmp_path)
    cut(folder / BIN)
    with pytest.raises(ModelDirectoryInvalid):
        convert(folder)
    assert not list(folder.glob("*safetensors*"))


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_weights: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(load, "save_file", full)
    folder = caption_directory(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"model\.safetensors.* cannot be written: .*No space left") as caught:
        convert(folder)
    assert "Free space in" in caught.value.info().remedy
    assert not list(folder.glob("*safetensors*"))
    load_caption(folder)


def test_no_finite_score_is_an_error_of_the_model(tmp_path: Path) -> None:
    model = load_caption(caption_directory(tmp_path))
    with pytest.raises(ModelError):
        model.finish(RawCaption((2,), float("nan"), np.zeros(2, np.float32)), random_picture(1))
