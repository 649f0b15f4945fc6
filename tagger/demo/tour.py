"""The tour of `tagger demo`. Each step runs a real action, checks the result, and prints it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagger.demo.photos_folder import broken, rendition
from tagger.demo.scene import Scene, wait_for
from tagger.demo.words import Shown, in_short, publishes, text_of, written
from tagger.errors import Unavailable

EDITORS_WORDS = "Our press photo of the year"
RENDITION_WIDTHS = (200, 260, 320, 380, 440, 500)
KILL_IMAGES = 40
METRICS_SECONDS = 5.0  # several of the periods in which a process publishes its metrics
A_HANDFUL = 4  # running images of one worker that make a kill worthwhile
ENDED = frozenset({"done", "dead", "superseded", "cancelled"})


@dataclass
class Report:
    shown: list[Shown] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def check(self, good: bool, complaint: str) -> None:
        if not good:
            self.failures.append(complaint)


Advance = Callable[[int, int], None]  # (done, of)


def ended_job(scene: Scene, asset_id: str) -> dict[str, Any] | None:
    job = scene.job_of(asset_id)
    return job if job is not None and job["status"] in ENDED else None


def one_live(scene: Scene, photograph: Path, say: Callable[[str], None], report: Report) -> str:
    """`uploaded → queued → described → written`, each with its time."""
    started = time.monotonic()

    def stamp(word: str) -> None:
        say(f"{1000 * (time.monotonic() - started):7.0f} ms  {word}")

    asset_id = scene.upload(photograph.name, photograph.read_bytes())
    stamp("uploaded to the media library")
    wait_for("the hook", lambda: scene.job_of(asset_id))
    stamp("queued: the signed hook is a job in the ledger")
    job = wait_for("the description", lambda: _beyond(scene, asset_id, {"accepted", "running"}))
    stamp("described: " + in_short(job))
    job = wait_for("the callback", lambda: ended_job(scene, asset_id))
    done = f"written back by the signed callback: {written(job)}"
    stamp(done if publishes(job) else "reported by the signed callback: nothing to write")
    report.check(job["status"] == "done", f"{photograph.name} ended as {job['status']}")
    return asset_id


def _beyond(scene: Scene, asset_id: str, states: set[str]) -> dict[str, Any] | None:
    job = scene.job_of(asset_id)
    return job if job is not None and job["status"] not in states else None


def the_rest(scene: Scene, photographs: list[Path], advance: Advance, report: Report) -> dict[str, Path]:
    """Upload all, wait until each has ended. Returns asset id → picture."""
    assets = {scene.upload(p.name, p.read_bytes()): p for p in photographs}
    finish(scene, {asset_id: p.name for asset_id, p in assets.items()}, advance, report, "done")
    return assets


def finish(scene: Scene, assets: dict[str, str], advance: Advance, report: Report, expected: str) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = {}

    def look() -> bool:
        for asset_id in [a for a in assets if a not in jobs]:
            if job := ended_job(scene, asset_id):
                jobs[asset_id] = job
                advance(len(jobs), len(assets))
        return len(jobs) == len(assets)

    advance(0, len(assets))
    wait_for(f"{len(assets)} images to end", look, seconds=max(60.0, 3.0 * len(assets)))
    for asset_id, job in jobs.items():
        report.check(job["status"] == expected, f"{assets[asset_id]} ended as {job['status']}: {job['error']}")
    return jobs


def with_published_text(scene: Scene, by_asset: dict[str, Path]) -> Path | None:
    """A photograph for which tagger wrote an alt text, so that the editor's text has something to compete with."""
    for asset_id, photograph in by_asset.items():
        if text_of(scene.cms("GET", f"/api/assets/{asset_id}"), "alt_text"):
            return photograph
    return None


def an_editors_words(scene: Scene, photograph: Path, say: Callable[[str], None], report: Report) -> str:
    """The library holds the callback until the editor has saved. So the order does not depend on timing."""
    asset_id = scene.upload(photograph.name, rendition(scene.renditions, photograph, 480), hold=True)
    wait_for("the held callback", lambda: scene.cms("GET", f"/api/assets/{asset_id}")["callback"] == "waiting")
    say("the callback of tagger waits; now an editor saves an alt text and a caption")
    words = {"alt_text": {"en": EDITORS_WORDS}, "caption": {"en": EDITORS_WORDS + "."}}
    scene.cms("POST", f"/api/assets/{asset_id}/edit", json={"fields": words})
    scene.cms("POST", f"/api/assets/{asset_id}/release")
    job = wait_for("the delivery", lambda: ended_job(scene, asset_id))
    asset = scene.cms("GET", f"/api/assets/{asset_id}")
    kept_fields = [a["field"] for a in job["annotations"] if a["outcome"] == "kept"]
    say(
        f"the media library answered `kept` for {', '.join(kept_fields) or 'nothing'}; the alt "
        f"text reads “{text_of(asset, 'alt_text')}”"
    )
    report.check("alt_text" in kept_fields, "no field was answered `kept`")
    report.check(text_of(asset, "alt_text") == EDITORS_WORDS, "the editor's alt text was overwritten")
    return asset_id


def one_broken(scene: Scene, photograph: Path, say: Callable[[str], None], report: Report) -> str:
    asset_id = scene.upload("broken-" + photograph.stem + ".jpg", broken(scene.renditions, photograph))
    job = wait_for("the dead letter", lambda: ended_job(scene, asset_id))
    letters = scene.api("GET", "/v1/dead-letters")["data"]
    cause = next((letter["error"] for letter in letters if letter["job"] == job["id"]), None)
    report.check(job["status"] == "dead" and cause is not None, "the broken image is not a dead letter")
    if cause is not None:
        say(f"dead letter: {cause['title']} ({cause['code']}, stage {cause['stage']}). {cause['remedy']}")
    wait_for("the media library to hear of it", lambda: scene.cms("GET", f"/api/assets/{asset_id}")["told"]["state"] == "failed")
    say("the signed callback told the media library, which shows the error beside the image")
    return asset_id


@dataclass(frozen=True, kw_only=True)
class Count:
    """The results of the images that were in progress when a worker was killed."""

    accepted: int
    lost: int
    written_once: int
    written_twice: int
    nothing_to_write: int  # described, but no text was good enough to publish
    taken_back: int  # jobs that the dead worker held


def a_worker_dies(scene: Scene, photographs: list[Path], advance: Advance, say: Callable[[str], None], report: Report) -> Count:
    """SIGKILL to a worker that holds images. Every image still ends, and is written once."""
    freed_before = scene.metric("tagger_freed_jobs_total")
    assets: dict[str, str] = {}
    killed = False
    for photograph, name, content in _renditions(scene, photographs):  # made before the upload, because workers are faster
        assets[scene.upload(name, content)] = photograph.name
        killed = killed or _kill_one(scene, say, least=A_HANDFUL)
    if not killed:
        wait_for("a worker with running images", lambda: _kill_one(scene, say, least=1))
    jobs = finish(scene, assets, advance, report, "done")
    count = _count(scene, jobs, _freed_since(scene, freed_before))
    report.check(count.lost == 0 and count.written_twice == 0, f"after the kill: {count}")
    report.check(count.taken_back > 0, "the killed worker held no image: the kill proved nothing")
    for asset_id in assets:  # forty copies of the same ten images would fill the page
        scene.cms("DELETE", f"/api/assets/{asset_id}")
    say(f"removed the {len(assets)} copies from the media library; their jobs stay in tagger")
    return count


def _freed_since(scene: Scene, before: float) -> int:
    """Jobs taken back from dead workers. The last count may come late: a process publishes its metrics once a second."""
    with contextlib.suppress(Unavailable):
        wait_for("jobs of the killed worker", lambda: scene.metric("tagger_freed_jobs_total") > before, METRICS_SECONDS)
    return round(scene.metric("tagger_freed_jobs_total") - before)


def _renditions(scene: Scene, photographs: list[Path]) -> list[tuple[Path, str, bytes]]:
    """Images with different bytes: (photograph, file name, content)."""
    made = []
    for index in range(KILL_IMAGES):
        photograph = photographs[index % len(photographs)]
        width = RENDITION_WIDTHS[(index // len(photographs)) % len(RENDITION_WIDTHS)] + index
        made.append((photograph, f"{photograph.stem}-{width}.jpg", rendition(scene.renditions, photograph, width)))
    return made


def _kill_one(scene: Scene, say: Callable[[str], None], *, least: int) -> bool:
    """Kill the worker with the most running images, if it has at least `least`. It is stopped first, so that it cannot finish
    them."""
    held = scene.stack.in_hands()
    victim = max(held, key=lambda pid: held[pid], default=0)
    if held.get(victim, 0) < least:
        return False
    os.kill(victim, signal.SIGSTOP)
    count = scene.stack.in_hands().get(victim, 0)
    if count < least:
        os.kill(victim, signal.SIGCONT)
        return False
    os.kill(victim, signal.SIGKILL)
    say(f"killed worker process {victim} with {count} running images")
    return True


def _count(scene: Scene, jobs: dict[str, dict[str, Any]], taken_back: int) -> Count:
    """Count with the effective writes of the media library: one entry per field that a callback changed."""
    most: dict[str, int] = {}
    for entry in scene.cms("GET", "/api/writes")["by_field"]:
        most[entry["asset"]] = max(most.get(entry["asset"], 0), entry["n"])
    due = {asset_id for asset_id, job in jobs.items() if publishes(job)}
    return Count(
        accepted=len(jobs),
        lost=sum(1 for a, job in jobs.items() if job["status"] != "done" or (a in due and a not in most)),
        written_once=sum(1 for a in due if most.get(a) == 1),
        written_twice=sum(1 for a in jobs if most.get(a, 0) > 1),
        nothing_to_write=len(jobs) - len(due),
        taken_back=taken_back,
    )
