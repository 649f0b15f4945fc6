"""The weights that tagger can use: where they come from and which folder they have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagger.errors import BadRequest


@dataclass(frozen=True, kw_only=True)
class Weights:
    name: str  # of the folder below the model directory
    repository: str  # on ModelScope
    revision: str  # a tag where the repository is known to have one; else its branch, and the first pull pins the content
    license: str
    needs: tuple[str, ...]  # files without which it cannot be loaded; of a group with | one is enough
    about: str


WEIGHTS = ("model.safetensors|pytorch_model.bin",)
OFA_FILES = ("configuration.json", "config.json", "vocab.json", "merges.txt", *WEIGHTS)
# No code of a repository is ever run, so none is fetched; neither are other frameworks' weights.
SKIPPED = ("*.py", "*.pyc", "*.sh", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.jpg", "*.png", "*.gif", "*.ipynb")

KNOWN: Mapping[str, Weights] = {
    w.name: w
    for w in (
        Weights(
            name="ofa-caption",
            repository="iic/ofa_image-caption_coco_distilled_en",
            revision="v1.0.1",
            license="Apache-2.0",
            needs=OFA_FILES,
            about="English captions; 33 million parameters",
        ),
        Weights(
            name="ofa-entailment",
            repository="iic/ofa_visual-entailment_snli-ve_distilled_v2_en",
            revision="master",
            license="Apache-2.0",
            needs=OFA_FILES,
            about="whether an English text describes an image; 33 million parameters",
        ),
        Weights(
            name="gme",
            repository="iic/gme-Qwen2-VL-2B-Instruct",
            revision="master",
            license="Apache-2.0",
            needs=(
                "config.json",
                "tokenizer.json",
                "preprocessor_config.json",
                "model.safetensors|model.safetensors.index.json",
            ),
            about="vectors of images and texts, and tags; 2.2 billion parameters",
        ),
    )
}


def known(name: str) -> Weights:
    """Errors: BadRequest that lists the names."""
    if name not in KNOWN:
        raise BadRequest(f"There are no weights {name!r}.", f"Use one of {', '.join(KNOWN)}.")
    return KNOWN[name]
