"""Make the golden files of tests/golden/ofa with ModelScope's own OFA, in the reference environment.

Its own venv, never a dependency: torch 2.13.0, torchvision 0.28.0, modelscope[framework] 1.40.2, transformers 4.57.6,
datasets 4.8.4, huggingface_hub 0.36.2, decord, timm, open_clip_torch, hydra-core, omegaconf, bitarray, librosa,
rapidfuzz, zhconv, unicodedata2, sacrebleu, and the unpacked source of `fairseq-fixed` for its pure Python part.

    PYTHONPATH=.:tests REF/bin/python bench/ofa_reference.py --fairseq FOLDER [caption_tiny entail_tiny …]
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from support.ofa_cases import SETS, Case

from workers.models.ofa.synthetic import random_picture, write_directory

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "ofa"
BPE = ROOT / "tests" / "data" / "ofa"
TEXTS = (
    " what does the image describe?",
    ' does the image describe " a red car "?',
    " no",
    " yes",
    " maybe",
    "",
    " ",
    "two  spaces\tand\nlines",
    "Ünïcödé — “quotes”, 日本語 and 👩‍🚀 emoji",
    "it's 1,234.5 o'clock; they're here, we'd say",
)
RUNS = ((250, 10, 4758), (0, 250, 10, 2), (50265, 250, 58457, 59456, 10, 1), (4, 479, 328, 15), (30326, 8384, 7471))


def prepare_imports(fairseq: Path) -> None:
    """What ModelScope's OFA imports but does not need here: torchaudio, and torchvision's compiled operators."""
    sys.path.insert(0, str(fairseq))
    stand_in = types.ModuleType("torchaudio")
    stand_in.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = stand_in
    global _operators
    _operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def caption(case: Case, model: Any, preprocessor: Any) -> dict[str, Any]:
    from modelscope.preprocessors.ofa.utils.collate import collate_fn

    samples = [preprocessor.preprocess({"image": Image.fromarray(random_picture(*p))}) for p in case.pictures]
    batch = collate_fn(samples, pad_idx=1, eos_idx=2)
    found = model.generator.generate([model.model], batch)
    texts = model._text_gen_inference(batch)["caption"]
    return {
        "beams": [[{"tokens": b["tokens"].tolist(), "score": float(b["score"])} for b in image] for image in found],
        "texts": [t[0] for t in texts],
    }


def entail(case: Case, model: Any, preprocessor: Any) -> dict[str, Any]:
    """One picture at a time: the reference's own batches fail."""
    from modelscope.models.multi_modal import ofa_for_all_tasks as module
    from modelscope.preprocessors.ofa.utils.collate import collate_fn

    seen: list[torch.Tensor] = []

    def softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
        seen.append(torch.softmax(x, dim=dim))
        return seen[-1]

    module.F = types.SimpleNamespace(softmax=softmax)
    rows = []
    for picture, text in zip(case.pictures, case.statements, strict=True):
        sample = preprocessor.preprocess({"image": Image.fromarray(random_picture(*picture)), "text": text})
        sample.pop("prefix_token")  # empty for the prompt type `none`, where collating it fails; the traverse has no use for it
        with torch.no_grad():
            answer = model._traverse_inference(collate_fn([sample], pad_idx=1, eos_idx=2))
        scores = dict(zip(model.ans2label_dict, seen[-1][0].tolist(), strict=True))
        rows.append({"source": sample["source"].tolist(), "label": answer["labels"][0], "scores": scores})
    return {"answers": rows}


def run(name: str, answer: Callable[[Case, Any, Any], dict[str, Any]]) -> None:
    from modelscope.models.multi_modal.ofa_for_all_tasks import OfaForAllTasks
    from modelscope.preprocessors.multi_modal import OfaPreprocessor

    cases = []
    for case in SETS[name]():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            write_directory(Path(folder), BPE, model=case.model, task=case.task, seed=case.seed)
            model = OfaForAllTasks(folder).eval()
            result = answer(case, model, OfaPreprocessor(folder))
        cases.append({"seed": case.seed, **result})
        print(name, case.seed, f"{time.perf_counter() - began:.1f} s", describe(result), flush=True)
    write(name, cases)


def describe(result: dict[str, Any]) -> str:
    if "answers" in result:
        return str([(row["label"], round(max(row["scores"].values()), 3)) for row in result["answers"]])
    return str([[len(b["tokens"]) for b in image] for image in result["beams"]])


def tokenizer() -> None:
    """Ids of texts and texts of ids, and what the picture's preprocessing gives."""
    from modelscope.preprocessors.multi_modal import OfaPreprocessor

    case = next(iter(SETS["caption_tiny"]()))
    with tempfile.TemporaryDirectory() as folder:
        write_directory(Path(folder), BPE, model=case.model, task=case.task, seed=0)
        prepared = OfaPreprocessor(folder)
    bpe = prepared.tokenizer
    image = prepared.preprocess({"image": Image.fromarray(random_picture(5, 70, 50))})["patch_image"]
    write(
        "text_and_picture",
        [
            {"texts": {t: prepared.preprocess.tokenize_text(t).tolist() for t in TEXTS}},
            {"runs": [[list(r), bpe.batch_decode([list(r)], skip_special_tokens=True)[0]] for r in RUNS]},
            {"picture": image[:, ::9, ::9].double().mul(127.5).add(127.5).round().int().permute(1, 2, 0).tolist()},
        ],
    )


def write(name: str, cases: list[dict[str, Any]]) -> None:
    import modelscope
    import transformers

    made = {"modelscope": modelscope.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / f"{name}.json").write_text(f'{{"made_with": {json.dumps(made)}, "cases": [\n{lines}\n]}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fairseq", type=Path, required=True, help="unpacked source of fairseq-fixed")
    parser.add_argument("sets", nargs="*", default=[*SETS, "text_and_picture"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepare_imports(options.fairseq)
    for name in options.sets:
        if name == "text_and_picture":
            tokenizer()
        else:
            run(name, caption if name.startswith("caption") else entail)


if __name__ == "__main__":
    main()
