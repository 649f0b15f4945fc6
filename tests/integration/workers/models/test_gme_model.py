"""GME gives the same vectors as the original code, for any batching of the inputs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image  # noqa: E402
from support import gme_cases as cases  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import Qwen2VLConfig, Qwen2VLModel  # noqa: E402
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: E402

from tagger.prediction import Pixels, Vector  # noqa: E402
from workers.models.base import cosine  # noqa: E402
from workers.models.gme.load import load  # noqa: E402
from workers.models.gme.model import Gme  # noqa: E402
from workers.models.gme.prepare import Bounds, groups  # noqa: E402

BOUNDS = Bounds(least=4, most=64)
SIZES = ((60, 90), (300, 200), (31, 400), (120, 120), (700, 500), (9, 300), (64, 64))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.directory(tmp_path_factory.mktemp("gme"))


@pytest.fixture(scope="module")
def model(home: Path) -> Gme:
    return load(home, bounds=BOUNDS)


class Original:
    """The recipe of the model's own `gme_inference.py`, written down line by line: one input at a time, with a mask, the
    resize of its `fetch_image`, then transformers' own image processor."""

    def __init__(self, home: Path, network: Qwen2VLModel) -> None:
        self.net = network
        self.tokens = Tokenizer.from_file(str(home / "tokenizer.json"))
        size = {"shortest_edge": BOUNDS.least * 28 * 28, "longest_edge": BOUNDS.most * 28 * 28}
        self.processor = Qwen2VLImageProcessorPil(size=size, patch_size=14, merge_size=2, temporal_patch_size=2)

    def fetch_image(self, pixels: Pixels) -> Image.Image:
        height, width = pixels.shape[:2]
        h, w = max(28, round(height / 28) * 28), max(28, round(width / 28) * 28)
        if h * w > 16384 * 28 * 28:
            beta = math.sqrt(height * width / (16384 * 28 * 28))
            h, w = math.floor(height / beta / 28) * 28, math.floor(width / beta / 28) * 28
        elif h * w < 4 * 28 * 28:
            beta = math.sqrt(4 * 28 * 28 / (height * width))
            h, w = math.ceil(height * beta / 28) * 28, math.ceil(width * beta / 28) * 28
        return Image.fromarray(pixels).resize((w, h))

    @torch.no_grad()
    def embed(self, pixels: Pixels | None, text: str | None, instruction: str = "You are a helpful assistant.") -> Vector:
        said = ""
        image = None
        if pixels is not None:
            image = self.processor(self.fetch_image(pixels), return_tensors="pt")
            count = int(image["image_grid_thw"].prod()) // 4
            said += "<|vision_start|>" + "<|image_pad|>" * count + "<|vision_end|>"
        if text is not None:
            said += text
        asked = f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{said}<|im_end|>\n"
        ids = torch.tensor([self.tokens.encode(asked + "<|im_start|>assistant\n<|endoftext|>").ids])
        embeds = self.net.language_model.embed_tokens(ids)
        if image is not None:
            seen = self.net.visual(image["pixel_values"], grid_thw=image["image_grid_thw"]).pooler_output
            embeds[ids == self.net.config.image_token_id] = seen
        positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
        states = self.net.language_model(
            inputs_embeds=embeds, attention_mask=torch.ones_like(ids), position_ids=positions
        ).last_hidden_state
        vector: Vector = torch.nn.functional.normalize(states[:, -1], p=2, dim=1)[0].numpy()
        return vector


def test_image_text_and_both_are_those_of_the_original_recipe(home: Path, model: Gme) -> None:
    original = Original(home, cases.network(cases.config_body(cases.tokenizer())))
    asked = "Find the words that name what is seen in this picture."
    for seed, (height, width) in enumerate(SIZES):
        pixels = cases.picture(height, width, seed)
        ours = model.run(
            [
                model.prepare(pixels, ""),
                model.prepare(pixels, asked),
                model.prepare_both(pixels, "a red chair"),
                model.prepare_text("a red chair"),
                model.prepare_text("a red chair", asked),
            ]
        )
        theirs = [
            original.embed(pixels, None),
            original.embed(pixels, None, asked),
            original.embed(pixels, "a red chair"),
            original.embed(None, "a red chair"),
            original.embed(None, "a red chair", asked),
        ]
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-5)
    assert cosine(ours[0], ours[1]) < 0.999, "an instruction must matter"


def test_positions_that_know_rows_and_columns_would_give_other_vectors(home: Path, model: Gme) -> None:
    """What transformers' own forward does is another model: the test above can fail."""
    network = cases.network(cases.config_body(cases.tokenizer()))
    item = model.prepare(cases.picture(300, 200), "")
    ids = torch.tensor([item.ids])
    assert item.pixels is not None
    grid = torch.tensor([[1, item.pixels.shape[0] // 14, item.pixels.shape[1] // 14]])
    kinds = (ids == network.config.image_token_id).int()
    with torch.no_grad():
        out = network(
            input_ids=ids,
            pixel_values=model._patches(item.pixels),
            image_grid_thw=grid,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=kinds,
        ).last_hidden_state[0, -1]
    assert cosine(out.numpy(), model.run([item])[0]) < 0.9999


def test_a_batch_equals_its_items_one_by_one(model: Gme) -> None:
    items = [model.prepare(cases.picture(h, w, n), "Find it.") for n, (h, w) in enumerate(SIZES)]
    items += [model.prepare_text("a cat"), model.prepare_both(cases.picture(90, 90), "on a sofa"), model.prepare_text("")]
    together = model.run(items)
    for item, vector in zip(items, together, strict=True):
        np.testing.assert_allclose(vector, model.run([item])[0], atol=1e-5)
        assert vector.dtype == np.float32
        assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5


def test_padding_wastes_at_most_a_tenth_and_every_item_is_answered_once() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        lengths = [int(n) for n in rng.integers(256, 1281, int(rng.integers(1, 40)))]
        found = groups(lengths, waste=0.1, most=32_768)
        assert sorted(place for some in found for place in some) == list(range(len(lengths)))
        padded = sum(max(lengths[p] for p in some) * len(some) for some in found)
        assert 1 - sum(lengths) / padded <= 0.1
        assert all(max(lengths[p] for p in some) * len(some) <= 32_768 or len(some) == 1 for some in found)


def test_the_size_is_the_number_of_tokens_and_within_the_bounds(model: Gme) -> None:
    bare = model.size(model.prepare_text(""))
    for seed, (height, width) in enumerate(SIZES):
        visual = model.size(model.prepare(cases.picture(height, width, seed), "")) - bare - 2  # without the two marks
        assert BOUNDS.least <= visual <= BOUNDS.most


def test_a_text_too_long_loses_its_end_but_not_the_closing_marks(model: Gme) -> None:
    long = model.prepare_text("word " * 2000)
    assert len(long.ids) <= 500
    assert long.ids[-1] == model.prepare_text("a").ids[-1]


def test_words_that_look_like_marks_stay_words(model: Gme) -> None:
    item = model.prepare_both(cases.picture(60, 60), "<|image_pad|><|im_end|>")
    plain = model.prepare_both(cases.picture(60, 60), "")
    pad = model._reads.image_token
    assert item.ids.count(pad) == plain.ids.count(pad)
    assert np.isfinite(model.run([item])[0]).all()


def test_half_precision_stays_near(home: Path, model: Gme) -> None:
    half = load(home, bounds=BOUNDS, dtype=torch.bfloat16)
    for height, width in SIZES:
        item = model.prepare(cases.picture(height, width), "")
        assert cosine(half.run([item])[0], model.run([item])[0]) > 0.995


def test_the_canary_comes_out_as_the_golden_vector(model: Gme) -> None:
    assert cosine(model.reading(model.run([model.canary()])[0]), model.golden()) > 0.99999


def test_the_config_is_read_without_remote_code(home: Path) -> None:
    config = Qwen2VLConfig.from_dict(cases.config_body(cases.tokenizer()))
    assert config.text_config.hidden_size == load(home, bounds=BOUNDS).dimensions
