"""`python -m workers.models.weights pull | list | check | convert`: what `tagger models` runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tagger.errors import BadRequest, ModelDirectoryInvalid, StorageUnavailable, TaggerError
from tagger.settings import Settings, load
from workers.models.weights import manifest as manifests
from workers.models.weights.catalog import KNOWN, Weights, known
from workers.models.weights.manifest import AGAIN
from workers.models.weights.pull import Source, pull

Row = dict[str, Any]


def main(argv: Sequence[str]) -> int:
    """Prints one JSON object a line: a row for each of the weights, or an error. Exit 0: good · 1: at least one is not."""
    parser = argparse.ArgumentParser(prog="python -m workers.models.weights")
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--revision")
    asked = parser.parse_args(argv)
    good = True
    for name in asked.names or KNOWN:
        try:
            row = VERBS[asked.verb](known(name), load(), asked.revision)
        except TaggerError as err:
            row = {"name": name, "error": err.info().to_dict()}
        except OSError as err:
            error = StorageUnavailable(f"{err}.", "Check the disk and the permissions of `model_dir`.")
            row = {"name": name, "error": error.info().to_dict()}
        good = good and "error" not in row
        print(json.dumps(row), flush=True)  # noqa: T201 - read by the command line
    return 0 if good else 1


def _pull(weights: Weights, settings: Settings, revision: str | None) -> Row:
    folder = pull(weights, settings.models, Source(mirror=settings.model_mirror), revision=revision)
    return {**_list(weights, settings, revision), "folder": str(folder)}


def _list(weights: Weights, settings: Settings, _revision: str | None) -> Row:
    folder = settings.models / weights.name
    row: Row = {
        "name": weights.name,
        "repository": weights.repository,
        "revision": weights.revision,
        "license": weights.license,
        "about": weights.about,
        "status": "absent",
        "bytes": None,
    }
    if not folder.is_dir():
        return row
    row["bytes"] = sum((folder / name).stat().st_size for name in manifests.names(folder))
    manifest = manifests.read(folder)
    wrong = manifests.lacking(folder, weights)
    if manifest is not None:
        row["revision"] = manifest.revision
        wrong = manifests.fault(folder, manifest, whole=False) or wrong
    return {**row, "status": f"broken: {wrong}" if wrong else "there" if manifest else "there, without a manifest"}


def _check(weights: Weights, settings: Settings, revision: str | None) -> Row:
    """Every byte by its hash, then every key and shape, as a worker reads them."""
    folder = settings.models / weights.name
    row = _list(weights, settings, revision)
    if row["status"] == "absent":
        return row
    manifest = manifests.read(folder)
    wrong = (manifests.fault(folder, manifest, whole=True) if manifest is not None else None) or manifests.lacking(
        folder, weights
    )
    if wrong is not None:
        raise ModelDirectoryInvalid(f"{folder}: {wrong}.", AGAIN)
    try:
        _read_strictly(weights, folder)
    except ImportError as err:
        return {**row, "status": f"{row['status']}; keys and shapes not checked: {err}"}
    return {**row, "status": "whole"}


def _read_strictly(weights: Weights, folder: Path) -> None:
    if weights.name == "gme":
        from workers.models.gme.load import inspect

        return inspect(folder)
    from workers.models.ofa.config import CAPTION_TASK, ENTAILMENT_TASK
    from workers.models.ofa.load import read_directory

    read_directory(folder, CAPTION_TASK if weights.name == "ofa-caption" else ENTAILMENT_TASK)
    return None


def _convert(weights: Weights, settings: Settings, _revision: str | None) -> Row:
    """`pytorch_model.bin` to safetensors; the manifest then names the new file, too."""
    folder = settings.models / weights.name
    if not (folder / "pytorch_model.bin").exists():
        if not folder.is_dir() or manifests.lacking(folder, weights):
            raise ModelDirectoryInvalid(f"{folder}: {manifests.lacking(folder, weights)}.", AGAIN)
        return {**_list(weights, settings, None), "converted": None}
    if weights.name == "gme":
        raise BadRequest("gme cannot be converted: its weights are already safetensors.", AGAIN)
    from workers.models.ofa.load import convert

    made = convert(folder)
    manifest = manifests.read(folder)
    if manifest is not None:
        manifests.Manifest.of(folder, manifest.repository, manifest.revision).write(folder)
    return {**_list(weights, settings, None), "converted": made.name}


VERBS: dict[str, Callable[[Weights, Settings, str | None], Row]] = {
    "pull": _pull,
    "list": _list,
    "check": _check,
    "convert": _convert,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
