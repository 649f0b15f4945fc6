"""The dependency rule of the house, checked from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Layers of `tagger`, lowest first; a module may import from its own layer and those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("tagger.ledger", "tagger.blobs", "tagger.queue", "tagger.supervisor.redis_server", "tagger.telemetry"),
    (
        "tagger.services.ingest",
        "tagger.services.backfill",
        "tagger.services.check_texts",
        "tagger.search",
        "tagger.supervisor.stack",
    ),
    ("tagger.api", "tagger.cli", "tagger.demo", "tagger.__main__"),
)
HOMES: dict[str, tuple[str, ...]] = {
    "torch": ("workers.inference.engine", "workers.models"),
    "transformers": ("workers.models",),
    "onnxruntime": ("workers.inference.engine", "workers.models"),
    "modelscope": ("workers.models.weights",),
    # parsers of images run in the decoders alone; models get pixels
    "PIL": (
        "workers.decode.pixels",
        "workers.decode.truncated",
        "workers.decode.content",
        "workers.decode.file_blocks",
        "workers.renditions",
        "workers.models",
    ),
    "pillow_heif": ("workers.decode.pixels",),
    "celery": ("tagger.queue", "workers.pipeline.celery_consumer", "workers.__main__"),
    "kombu": ("tagger.queue",),
    "sqlalchemy": ("tagger.ledger",),
    "alembic": ("tagger.ledger",),
    # the sample media library is an application of its own, with a database of its own
    "sqlite3": ("tagger.demo", "tagger.ledger"),
    "psycopg": ("tagger.ledger",),
    # clients of our own API on loopback are the command line and the demo
    "requests": ("tagger.cli", "tagger.demo", "tagger.supervisor.stack"),
    "urllib3": ("workers.fetch", "tagger.net.pinned", "workers.deliver"),
    "httpx": (),
    "aiohttp": (),
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("tagger", "workers"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


MODULES = dict(modules())


def imports(file: Path) -> Iterator[str]:
    """Every imported name, also inside functions, except those for type checking only."""
    tree = ast.parse(file.read_text("utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


def layer(name: str) -> int:
    """0 for the pure modules, then the index of LAYERS plus one."""
    return next((i + 1 for i, places in enumerate(LAYERS) if inside(name, places)), 0)


@pytest.mark.parametrize("module", [m for m in MODULES if inside(m, ("tagger",))])
def test_tagger_never_imports_workers(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if inside(name, ("workers",))]


@pytest.mark.parametrize("module", [m for m in MODULES if inside(m, ("tagger",))])
def test_tagger_imports_only_downwards(module: str) -> None:
    upward = [name for name in imports(MODULES[module]) if inside(name, ("tagger",)) and layer(name) > layer(module)]
    assert not upward, f"{module} (layer {layer(module)}) imports {upward}"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_and_dangerous_libraries_stay_at_home(module: str) -> None:
    strays = [
        name
        for name in imports(MODULES[module])
        if name.partition(".")[0] in HOMES and not inside(module, HOMES[name.partition(".")[0]])
    ]
    assert not strays, f"{module} imports {strays}"


def test_images_are_opened_in_two_places_and_by_named_formats() -> None:
    """Pillow hands PostScript to another program, so nothing may be opened by whatever it is (promise I4)."""
    calls = [
        (module, {keyword.arg for keyword in node.keywords})
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open")
    ]
    assert {module for module, _ in calls} == {
        "workers.decode.pixels",
        "workers.models.lite.model",
    }  # ours: its own canary picture
    assert all("formats" in keywords for _, keywords in calls)


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 50
    assert "tagger.job" in MODULES
    assert "workers.pipeline.describe" in MODULES
