"""The layout of the code, checked from the imports themselves: layers, cycles, and where each library may be used.

tests/layers.txt lists every module.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MOST_LINES = 300

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
    # Flower is a command of Celery, and runs in a process of its own
    "celery": ("tagger.supervisor.flower_pages", "tagger.queue", "workers.pipeline.celery_consumer", "workers.__main__"),
    "kombu": ("tagger.queue",),
    "sqlalchemy": ("tagger.ledger",),
    "alembic": ("tagger.ledger",),
    # the sample media library is an application of its own, with a database of its own
    # and the exact index of vectors can be made anew from the ledger
    "sqlite3": ("tagger.demo", "tagger.ledger", "tagger.search.exact", "tagger.search.exact_files"),
    "psycopg": ("tagger.ledger",),
    "botocore": ("tagger.blobs.s3",),
    "opentelemetry": ("tagger.telemetry.otel",),
    # clients of our own API on loopback are the command line and the demo; a conformance run calls what its user names
    "requests": ("tagger.cli", "tagger.conformance.client", "tagger.demo", "tagger.system.local_http"),
    # whoever asks a server uses the guarded client
    "urllib3": ("tagger.net.client", "tagger.net.pinned"),
    "httpx": (),
    "aiohttp": (),
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("tagger", "workers"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


MODULES = dict(modules())


def layers() -> dict[str, tuple[str, int]]:
    """Module → (package, index of its layer), from layers.txt."""
    listed: dict[str, tuple[str, int]] = {}
    package, index = "", -1
    for line in (Path(__file__).parent / "layers.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            package, index = line[1:].partition(":")[0], index + 1
        elif line and not line.startswith("#"):
            assert line not in listed, f"{line} is listed twice"
            listed[line] = (package, index)
    return listed


LAYERS = layers()


@functools.cache
def tree(file: Path) -> ast.Module:
    """Parsed when a test asks, and once: not while tests are collected, which every process of pytest-xdist does."""
    return ast.parse(file.read_text("utf-8"))


@functools.cache
def imports(file: Path) -> frozenset[str]:
    """Every imported name, also inside functions and for type checking only."""
    return frozenset(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)


def own(module: str) -> set[str]:
    """Our other modules that it imports."""
    return {name for name in imports(MODULES[module]) if name in MODULES and name != module}


def inside(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


def test_every_module_is_listed_and_every_listed_module_exists() -> None:
    assert sorted(LAYERS) == sorted(MODULES), "edit tests/layers.txt"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_layer_and_below(module: str) -> None:
    package, index = LAYERS[module]
    upward = [name for name in own(module) if LAYERS[name][0] == package and LAYERS[name][1] > index]
    assert not upward, f"{module} imports {upward} from a higher layer"


@pytest.mark.parametrize("module", [m for m in MODULES if inside(m, ("tagger",))])
def test_tagger_never_imports_workers(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if inside(name, ("workers",))]


def test_no_import_cycle() -> None:
    """Imports for typing count: a cycle means that two modules are one thing, or that a Protocol is missing."""
    try:
        TopologicalSorter({module: own(module) for module in MODULES}).prepare()
    except CycleError as err:
        pytest.fail(" → ".join(err.args[1]))


def test_the_root_of_tagger_holds_the_nouns_and_the_settings_alone() -> None:
    root = {module for module in MODULES if module.count(".") == 1 and module.startswith("tagger.")}
    files = {module for module in root if MODULES[module].name != "__init__.py"}
    assert {LAYERS[module][1] for module in files - {"tagger.__main__"}} == {0}


@pytest.mark.parametrize("module", MODULES)
def test_heavy_and_dangerous_libraries_stay_at_home(module: str) -> None:
    strays = [
        name
        for name in imports(MODULES[module])
        if name.partition(".")[0] in HOMES and not inside(module, HOMES[name.partition(".")[0]])
    ]
    assert not strays, f"{module} imports {strays}"


def test_processes_are_started_in_one_place_which_lets_none_outlive_us() -> None:
    starts = re.compile(
        r"subprocess\.(Popen|run|call|check_\w+|getoutput)|os\.(fork\w*|spawn\w*|posix_spawn\w*|system|popen)|pty\.\w+"
    )
    starters = {
        module
        for module, file in MODULES.items()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and starts.fullmatch(ast.unparse(node.func))
    }
    assert starters == {"tagger.system.children"}
    libraries = ("multiprocessing", "concurrent.futures.ProcessPoolExecutor", "subprocess.Popen", "subprocess.run")
    assert [m for m, file in MODULES.items() if any(inside(name, libraries) for name in imports(file))] == []


def test_images_are_opened_in_two_places_and_by_named_formats() -> None:
    """Pillow hands PostScript to another program, so nothing may be opened by whatever it is (promise I4)."""
    calls = [
        (module, {keyword.arg for keyword in node.keywords})
        for module, file in MODULES.items()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open")
    ]
    assert {module for module, _ in calls} == {
        "workers.decode.pixels",
        "workers.models.lite.model",
    }  # ours: its own canary picture
    assert all("formats" in keywords for _, keywords in calls)


def test_no_file_is_too_long_to_read_at_once() -> None:
    lengths = {module: len(file.read_text("utf-8").splitlines()) for module, file in MODULES.items()}
    long = {module for module, length in lengths.items() if length > MOST_LINES}
    assert long == {"tagger.ledger.migrations.versions.0001_first"}, "a migration that ran is not touched any more"


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 50
    assert "tagger.job" in MODULES
    assert "workers.pipeline.describe" in MODULES
