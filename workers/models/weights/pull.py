"""Bring weights onto this machine, once, whole, and the same ones each time.

Where from: a mirror directory if there is one, else ModelScope. The files arrive in a folder beside the target and become the
target in one rename, so nobody ever loads half of them. What had arrived before an interruption is kept and gone on with. A
lock lets one of many workers fetch; the others wait and find the folder there. A folder that no longer matches its manifest
is cleared and fetched again, once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog
import tenacity

from tagger.errors import ModelDirectoryInvalid, StorageUnavailable, TaggerError, WeightsNotFetched
from workers.models.weights import manifest as manifests
from workers.models.weights.catalog import SKIPPED, Weights
from workers.models.weights.manifest import Manifest

log = structlog.get_logger()

TRIES = 5
LONGEST_PAUSE = 30.0  # seconds between two tries
NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


class Hub(Protocol):
    def fetch(self, repository: str, revision: str, folder: Path) -> None:
        """All files of the revision into `folder`; goes on with what is there. Errors: OSError and the hub's own."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModelScope:
    """The real hub. Its client continues a file that is there in part, and compares the checksum that the hub names."""

    endpoint: str | None = None  # None: as its client finds it, by MODELSCOPE_ENDPOINT or its default

    def fetch(self, repository: str, revision: str, folder: Path) -> None:
        from modelscope.hub.snapshot_download import snapshot_download  # slow to import, and needed only here

        skipped = list(SKIPPED)
        snapshot_download(repository, revision=revision, local_dir=str(folder), ignore_patterns=skipped, endpoint=self.endpoint)


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A directory with a folder for each of the weights, by their name or by their repository's."""

    root: Path

    def folder(self, weights: Weights) -> Path | None:
        places = (self.root / weights.name, self.root / weights.repository, self.root / weights.repository.partition("/")[2])
        return next((place for place in places if place.is_dir()), None)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where weights come from."""

    mirror: Path | None = None
    hub: Hub = field(default_factory=ModelScope)
    pause: Callable[[float], None] = time.sleep  # between tries


def ensure(weights: Weights, models: Path, source: Source) -> Path:
    """The folder of the weights, fetched if it is not there: what a starting worker calls. Sizes are checked, not hashes."""
    folder = models / weights.name
    if _wrong(folder, weights, whole=False) is None:
        return folder
    return pull(weights, models, source, whole=False)


def pull(weights: Weights, models: Path, source: Source, *, revision: str | None = None, whole: bool = True) -> Path:
    """Fetch, unless what is there is whole. Errors: WeightsNotFetched, StorageUnavailable, ModelDirectoryInvalid."""
    folder, wanted = models / weights.name, revision or weights.revision
    with _alone(models, weights.name):
        if _same(folder, wanted) and (wrong := _wrong(folder, weights, whole=whole)) is None:
            return folder
        elif folder.exists():
            log.warning("weights.cleared", name=weights.name, reason=wrong if _same(folder, wanted) else "another revision")
        pinned = _pinned(folder, wanted)
        staging = models / f".{weights.name}.part"
        for last in (False, True):
            _fetch(weights, wanted, staging, source)
            fault = _arrived_wrong(staging, weights, source, pinned)
            if fault is None:
                break
            shutil.rmtree(staging, ignore_errors=True)
            if last:
                raise WeightsNotFetched(
                    f"{weights.name}: {fault}, twice.", "Repair the mirror. Or delete the folder, to download other weights."
                )
            log.warning("weights.fetched_again", name=weights.name, reason=fault)
        try:
            _settle(staging, folder, Manifest.of(staging, weights.repository, wanted))
        except OSError as err:
            raise _not_written(weights, models, err) from err
    return folder


def _same(folder: Path, revision: str) -> bool:
    try:
        manifest = manifests.read(folder)
    except ModelDirectoryInvalid:
        return False
    return manifest is None or manifest.revision == revision


def _wrong(folder: Path, weights: Weights, *, whole: bool) -> str | None:
    """Why the folder cannot be used as it is; None: it can. One that was put there by hand has no manifest."""
    if not folder.is_dir():
        return "the folder is missing"
    try:
        manifest = manifests.read(folder)
    except ModelDirectoryInvalid as err:
        return str(err)
    wrong = manifests.fault(folder, manifest, whole=whole) if manifest is not None else None
    return wrong or manifests.lacking(folder, weights)


def _pinned(folder: Path, revision: str) -> Manifest | None:
    """What this revision was when it was first fetched: a branch that moved since is refused, not swallowed."""
    try:
        manifest = manifests.read(folder)
    except ModelDirectoryInvalid:
        return None
    return manifest if manifest is not None and manifest.revision == revision else None


def _arrived_wrong(staging: Path, weights: Weights, source: Source, pinned: Manifest | None) -> str | None:
    mirrored = Mirror(root=source.mirror).folder(weights) if source.mirror is not None else None
    for wanted in (manifests.read(mirrored) if mirrored is not None else None, pinned):
        if wanted is not None and (fault := manifests.fault(staging, wanted, whole=True)) is not None:
            return fault
    return manifests.lacking(staging, weights)


def _fetch(weights: Weights, revision: str, staging: Path, source: Source) -> None:
    try:
        staging.mkdir(parents=True, exist_ok=True)
        if source.mirror is not None:
            _copy(weights, source.mirror, staging)
        else:
            _retrying(source)(source.hub.fetch, weights.repository, revision, staging)
    except TaggerError:
        raise
    except ImportError as err:
        raise WeightsNotFetched(f"{weights.name}: {err}.", "Install tagger with its `gpu` extra, or set `model_mirror`.") from err
    except Exception as err:
        if _no_space(err):
            raise _not_written(weights, staging.parent, err) from err
        reason = f"{type(err).__name__}: {str(err).splitlines()[0][:200] if str(err) else ''}"
        raise WeightsNotFetched(f"{weights.name}: {weights.repository} at {revision} could not be downloaded: {reason}") from err


def _not_written(weights: Weights, models: Path, err: Exception) -> StorageUnavailable:
    if _no_space(err):
        return StorageUnavailable(f"No space for {weights.name} in {models}.", "Free space, then run `tagger models pull` again.")
    return StorageUnavailable(f"{weights.name} cannot be stored in {models}: {err}.", "Choose another `model_dir`.")


def _retrying(source: Source) -> tenacity.Retrying:
    """Any failure is tried again, but a full disk and a missing library: the hub raises many kinds for one lost packet."""
    wait = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=wait,
        retry=tenacity.retry_if_exception(lambda err: isinstance(err, Exception) and not _hopeless(err)),
        before_sleep=lambda state: log.warning("weights.retry", attempt=state.attempt_number, error=str(state.outcome)[:200]),
        reraise=True,
        sleep=source.pause,
    )


def _hopeless(err: BaseException) -> bool:
    return isinstance(err, ImportError) or _no_space(err)


def _no_space(err: BaseException) -> bool:
    return isinstance(err, OSError) and err.errno in NO_SPACE


def _copy(weights: Weights, mirror: Path, staging: Path) -> None:
    """Each file that is not there in full already."""
    origin = Mirror(root=mirror).folder(weights)
    if origin is None:
        raise WeightsNotFetched(
            f"{weights.name}: the mirror {mirror} has neither {weights.name} nor {weights.repository}.",
            "Copy the folder to the mirror from a machine that has it.",
        )
    for name in manifests.names(origin):
        target = staging / name
        size = (origin / name).stat().st_size
        if target.is_file() and target.stat().st_size == size:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.part")
        shutil.copyfile(origin / name, draft)
        draft.replace(target)


def _settle(staging: Path, folder: Path, manifest: Manifest) -> None:
    for name in (p for p in staging.iterdir() if p.name.startswith(".")):  # the downloader's own notes
        shutil.rmtree(name) if name.is_dir() else name.unlink()
    manifest.write(staging)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(models: Path, name: str) -> Iterator[None]:
    """One process at a time, on all machines that share the folder where its file system has locks."""
    try:
        models.mkdir(parents=True, exist_ok=True)
        lock = os.open(models / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as err:
        raise StorageUnavailable(f"{models} cannot be written: {err.strerror}.", "Choose another `model_dir`.") from err
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("weights.waiting", name=name, reason="another process is fetching them")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
