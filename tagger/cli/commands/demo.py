"""`tagger demo`: shows all steps for a photograph in under a minute."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tagger.cli import console
from tagger.cli.commands.demo_models import with_ofa
from tagger.cli.outputs import Force, check_free
from tagger.cli.tables import check_writable
from tagger.cli.terminated import cleaning_up
from tagger.cms.folder.survey import Survey
from tagger.demo import tour
from tagger.demo.photos_folder import broken, photographs
from tagger.demo.printed import blocks, indented
from tagger.demo.scene import Scene, open_scene
from tagger.demo.sheet import is_sheet, write_sheet
from tagger.demo.words import Shown, origin, totals, words_of
from tagger.services.renditions import Renditions
from tagger.settings import Settings
from tagger.supervisor.plan import ProcessPlan, flower_installed
from tagger.supervisor.stack import Stack
from tagger.system.cpus import processors
from tagger.system.home import free_port
from tagger.telemetry import logs

SHEET = "tagger-demo.html"
LEAD = (
    "tagger described the images of a sample media library. It published what it was sure of, and proposed the rest to a "
    "person, with the reason. "
)
INTRODUCTION = """\
tagger and a sample media library run on this machine, in a temporary folder.
What tagger is sure of is published. The rest is proposed to a person."""


def demo(
    folder: Annotated[
        Path | None, typer.Option(**console.PATH, help="Folder of your own images, instead of the sample photographs.")
    ] = None,
    out: Annotated[Path, typer.Option(**console.PATH, help="Contact sheet to write, an HTML file.")] = Path(SHEET),
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep everything running afterwards, with Flower, and print the addresses.")
    ] = False,
    models: Annotated[
        Literal["lite", "ofa"],
        typer.Option(help="ofa downloads its weights first, writes whole sentences, and checks each text against its image."),
    ] = "lite",
    force: Force = False,
) -> None:
    """Show the whole product with sample photographs, in a minute.

    The demo starts tagger and a sample CMS, uploads photographs, and writes their texts back to the CMS. It also shows an
    editor's text that stays, a broken file and a killed worker.

    \b
    Examples:
      tagger demo
      tagger demo --folder ~/Pictures --serve
      tagger demo --models ofa
    """
    check_writable(out)
    check_free(out, force or is_sheet(out))
    seen = Survey()
    report = tour.Report()
    with Renditions(console.settings()) as renditions, contextlib.ExitStack() as stage:
        pictures = photographs(folder, renditions, seen.add)
        chosen = with_ofa(console.settings()) if models == "ofa" else console.settings()
        started = time.monotonic()
        scene = stage.enter_context(_scene(chosen, serve, renditions))
        _tour(scene, pictures, report)
        write_sheet(report.shown, LEAD + origin(report.shown), out, renditions)
        console.out.print(f"\nContact sheet  {out.resolve()}   (open it in a browser)")
        for failure in report.failures:
            console.err.print(f"failed: {failure}", style="bold red")
        if left_out := seen.sentence():
            console.out.print(left_out)
        verdict = "All checks passed" if not report.failures else f"{len(report.failures)} checks failed"
        console.out.print(f"{verdict}, in {time.monotonic() - started:.0f} s.")
        if serve:
            _stay(scene)
    if report.failures:
        raise typer.Exit(1)


@contextlib.contextmanager
def _scene(chosen: Settings, serve: bool, renditions: Renditions) -> Iterator[Scene]:
    with cleaning_up(), tempfile.TemporaryDirectory(prefix="tagger-demo-") as home:
        settings = _settings(chosen, Path(home).resolve())
        with (Path(home) / "supervisor.log").open("a") as log_file:
            logs.configure(settings, "demo", stream=log_file)
            workers = settings.tag_processes or max(2, processors())  # two at least: one of them will be killed
            flower = free_port() if serve and flower_installed() else None
            stack = Stack(settings, ProcessPlan(upload=workers, backfill=0, flower=flower))
            status = console.out.status("Starting broker, ledger, API, workers and a sample media library…")
            status.start()
            try:
                with open_scene(settings, stack, renditions, lambda word: status.update(f"{word}…")) as scene:
                    status.stop()
                    yield scene
                    console.out.print("Stopping all processes…")
            finally:
                status.stop()


def _settings(chosen: Settings, home: Path) -> Settings:
    own = {"home": home, "ledger_url": "", "broker_url": "", "blob_dir": None, "blob_url": "", "api_port": free_port()}
    return chosen.model_copy(update={**own, "model_dir": chosen.models})


def _tour(scene: Scene, pictures: list[Path], report: tour.Report) -> None:
    def say(text: str) -> None:
        console.out.print(indented(text) if console.out.is_terminal else "   " + text)

    def headline(text: str) -> None:
        console.out.print(f"\n{text}", style="bold")

    console.out.print(INTRODUCTION)
    by_asset: dict[str, Path] = {}
    headline(f"1. One photograph, step by step: {pictures[0].name}")
    by_asset[tour.one_live(scene, pictures[0], say, report)] = pictures[0]
    if len(pictures) > 1:
        headline(f"2. The other {len(pictures) - 1} photographs")
        with _bar() as advance:
            rest = tour.the_rest(scene, pictures[1:], advance, report)
        by_asset |= rest
    headline("3. An editor's text stays")
    chosen = tour.with_published_text(scene, by_asset) or photographs(None, scene.renditions)[6]
    by_asset[tour.an_editors_words(scene, chosen, say, report)] = chosen
    headline("4. A broken file")
    broken_id = tour.one_broken(scene, pictures[0], say, report)
    headline("5. A worker is killed during its work")
    with _bar() as advance:
        count = tour.a_worker_dies(scene, pictures, advance, say, report)
    say(
        f"accepted {count.accepted}, taken back from the dead worker {count.taken_back}, "
        f"lost {count.lost}, written once {count.written_once}, written twice {count.written_twice}"
        + (f", nothing to write {count.nothing_to_write}" if count.nothing_to_write else "")
    )
    _collect(scene, by_asset, broken_id, pictures[0], report)
    headline("The media library now")
    say(f"{totals(map(words_of, report.shown))}\n")
    for block in blocks(report.shown):
        console.out.print(block)


def _collect(scene: Scene, by_asset: dict[str, Path], broken_id: str, original: Path, report: tour.Report) -> None:
    for asset_id, picture in by_asset.items():
        report.shown.append(_shown(scene, asset_id, picture))
    unreadable = scene.stack.settings.home / "broken.jpg"
    unreadable.write_bytes(broken(scene.renditions, original))
    report.shown.append(_shown(scene, broken_id, unreadable))


def _shown(scene: Scene, asset_id: str, picture: Path) -> Shown:
    asset, job = scene.cms("GET", f"/api/assets/{asset_id}"), scene.job_of(asset_id)
    assert job is not None  # every asset of the tour has ended
    checked = scene.stack.settings.check != "none"
    return Shown(file=asset["filename"], picture=picture, asset=asset, job=job, checked=checked)


@contextlib.contextmanager
def _bar() -> Iterator[tour.Advance]:
    columns = (TextColumn("  "), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    started = time.monotonic()
    with Progress(*columns, console=console.out) as progress:
        task = progress.add_task("", total=None, rate="")

        def advance(done: int, total: int) -> None:
            rate = done / max(0.001, time.monotonic() - started)
            progress.update(task, total=total, completed=done, rate=f"{rate:.1f} images/s")

        yield advance


def _stay(scene: Scene) -> None:
    port = scene.stack.plan.flower
    shown = f"http://127.0.0.1:{port}/tasks   (a task's id is the job's id)"
    flower = shown if port else "not installed; `pip install 'tagger[ops]'` installs it"
    console.out.print(
        f"\nMedia library  {scene.library}/\nAPI and docs   {scene.stack.api_url}/docs\n"
        f"Pages          {scene.stack.api_url}/pages/   (sign in with the key)\nKey            {scene.key}\n"
        f"Flower         {flower}\nPress Ctrl-C to stop everything.",
    )
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
