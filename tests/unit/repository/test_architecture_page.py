"""docs/architecture.md: each row of "Where to add what" names the files that the code itself shows to be the right ones."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from tagger.alttext.rules import RULES
from tagger.api.app import create_app
from tagger.api.pages import all_routes, frame
from tagger.api.routes import pages
from tagger.blobs import Blobs, open_blobs
from tagger.cli.registry import PLACES
from tagger.errors import TaggerError
from tagger.operator_event import TYPES, OperatorEvent
from tagger.search.index import VectorIndex
from tagger.services.search.opening import open_index
from tagger.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| (an? [^|]+?) \| (.+) \|$", PAGE, flags=re.M))


def named(row: str) -> set[str]:
    return set(re.findall(r"`((?:tagger|workers|tests|docs)/[^`]*)`", ROWS[row]))


def of(thing: Any) -> str:
    return Path(inspect.getfile(thing)).relative_to(ROOT).as_posix()


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text("utf-8"))


def _below(kind: type[TaggerError]) -> Iterator[type[TaggerError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def cms() -> Iterable[str]:
    yield from ("tagger/cms/base.py", "tagger/cms/registry.py", "tagger/net/client.py")
    yield from (f"tests/support/{part}_contract.py" for part in ("reader", "hook", "writer"))


def model() -> Iterable[str]:
    """Every file that chooses models by name: the setting, and the one place that imports their packages."""
    yield of(Settings)
    for file, tree in sources("workers/inference", "workers/pipeline", "workers/roles"):
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        if any(re.match(r"workers\.models\.(?!base|fake|accelerator|weights)\w+", name) for name in imported):
            yield file


def alttext_rule() -> Iterable[str]:
    yield of(type(RULES[0]))
    for rule in RULES:
        for act in (rule.rewrite, rule.check):
            if act is not None:
                yield of(act).rpartition("/")[0] + "/"


def metric() -> Iterable[str]:
    """Every file that makes a metric of prometheus_client."""
    kinds = {"Counter", "Gauge", "Histogram", "GaugeMetricFamily", "CounterMetricFamily"}
    for file, tree in sources("tagger", "workers"):
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
            for alias in node.names
        }
        if imported & kinds and any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported & kinds
            for node in ast.walk(tree)
        ):
            yield file


def command() -> Iterable[str]:
    yield "tagger/cli/registry.py"
    for place in PLACES.values():
        module = place.partition(".")[0]
        assert (ROOT / "tagger/cli/commands" / f"{module}.py").exists()
    yield "tagger/cli/commands/"


def error() -> Iterable[str]:
    ours = [kind for kind in _below(TaggerError) if kind.__module__.startswith("tagger.errors")]
    yield from {of(kind) for kind in ours} - {"tagger/errors/base.py"}
    yield "tagger/errors/__init__.py"


def route() -> Iterable[str]:
    """The modules whose routers the application includes."""
    yield of(create_app)
    for module in vars(inspect.getmodule(create_app)).values():
        if inspect.ismodule(module) and isinstance(getattr(module, "router", None), APIRouter) and "routes" in module.__name__:
            yield of(module).rpartition("/")[0] + "/"


def page() -> Iterable[str]:
    """The modules that serve pages, and the folders of their files."""
    yield of(pages)
    yield f"{pages.OWN.relative_to(ROOT).as_posix()}/"
    yield f"{all_routes.__file__.removeprefix(f'{ROOT}/')}"
    yield of(frame.PageRoute)
    yield f"{(frame.HERE / 'templates').relative_to(ROOT).as_posix()}/"


def ledger_column() -> Iterable[str]:
    for file, tree in sources("tagger/ledger"):
        if "migrations" not in file and any(
            isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "Table"
            for node in ast.walk(tree)
        ):
            yield file.rpartition("/")[0] + "/"
    yield "tagger/ledger/migrations/versions/"


def operator_event() -> Iterable[str]:
    """Where its type is, and each statement that records one."""
    yield of(OperatorEvent)
    for file, tree in sources("tagger/ledger"):
        if any(isinstance(node, ast.Constant) and node.value in TYPES for node in ast.walk(tree)):
            yield file
    for event in TYPES:
        assert f"| `{event}` |" in (ROOT / "docs/operations.md").read_text("utf-8")
    yield "docs/operations.md"


def image_format() -> Iterable[str]:
    """Where the decoder's formats are, and where the endings of their files are."""
    for folder, name in (("workers/decode", "FORMATS"), ("tagger/cms", "SUFFIXES")):
        for file, tree in sources(folder):
            targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
            if any(getattr(target, "id", "") == name for target in targets):
                yield file


def blob_store() -> Iterable[str]:
    """Where the protocol is, where a store is chosen, and the suite that every store runs."""
    yield of(Blobs)
    yield of(open_blobs)
    yield "tests/support/blobs_contract.py"


def vector_index() -> Iterable[str]:
    """Where the protocol is, where an index is chosen, its name among the settings, and the suite that every index runs."""
    yield of(VectorIndex)
    yield of(open_index)
    yield "tagger/settings/limits.py"
    yield "tests/support/vector_index_contract.py"


CHECKS: dict[str, Callable[[], Iterable[str]]] = {
    "a CMS": cms, "a model": model, "an alt-text rule": alttext_rule, "a setting": lambda: (of(Settings),), "a metric": metric,
    "a command": command, "an error": error, "a route": route, "a page": page, "a ledger column": ledger_column,
    "an operator event": operator_event, "an image format": image_format, "a store of uploaded bytes": blob_store,
    "an index of vectors": vector_index,
}  # fmt: skip


def test_the_table_has_a_row_for_each_kind_and_each_row_a_check() -> None:
    assert set(ROWS) == set(CHECKS)


@pytest.mark.parametrize("row", CHECKS)
def test_a_row_names_the_files_that_the_code_shows(row: str) -> None:
    needed = set(CHECKS[row]())
    assert needed, f"the check of the row '{row}' finds nothing"
    assert needed <= named(row), f"name {sorted(needed - named(row))} in the row '{row}' of docs/architecture.md"


@pytest.mark.parametrize("row", CHECKS)
def test_a_row_names_files_that_exist(row: str) -> None:
    for file in named(row):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("row", ["an alt-text rule", "a setting", "a metric", "a command", "an error", "a route"])
def test_a_page_that_a_row_calls_generated_is_generated(row: str) -> None:
    from tagger.cli.reference import PAGES

    [page] = re.findall(r"`make docs` writes `docs/([^`]+)`", ROWS[row])
    assert page in PAGES


def test_every_layer_of_layers_txt_is_in_the_drawing() -> None:
    layers = re.findall(r"^\[(tagger|workers): (.+)\]$", (ROOT / "tests/layers.txt").read_text("utf-8"), flags=re.M)
    assert layers
    for _, layer in layers:
        assert layer in PAGE, f"draw the layer '{layer}'"


def test_every_package_of_a_layer_is_in_the_drawing() -> None:
    drawing = PAGE.split("## The layers")[1].split("## Where")[0]
    packages = {file.parent.name for top in ("tagger", "workers") for file in (ROOT / top).glob("*/__init__.py")}
    missing = {package for package in packages if not re.search(rf"\b{package}\b", drawing)}
    assert not missing, f"draw {missing}"
