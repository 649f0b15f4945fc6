"""The processes of a stack and their commands. Each lane has processes of its own, so no lane waits behind another."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass

from tagger.errors import SettingsError
from tagger.job import Lane
from tagger.settings import Settings
from tagger.supervisor.process import Child
from tagger.system.cpus import allowed, processors
from tagger.system.interpreter import module


def flower_installed() -> bool:
    return importlib.util.find_spec("flower") is not None


def require_flower() -> None:
    """Errors: SettingsError if Flower is not installed."""
    if not flower_installed():
        raise SettingsError(
            "Flower is not installed.", "Install it with `pip install 'tagger[ops]'`, or start tagger without --flower."
        )


@dataclass(frozen=True, kw_only=True)
class ProcessPlan:
    """How many processes of each kind a stack has."""

    upload: int
    backfill: int
    upload_on_demand: bool = False  # all but the first run only while uploads wait
    backfill_on_demand: bool = False  # these workers run only while there are jobs for them
    solo_on_demand: bool = True
    api: bool = True
    flower: int | None = None  # port of Flower's pages

    @classmethod
    def of(cls, settings: Settings, *, flower: int | None = None) -> ProcessPlan:
        """One tag worker per lane and usable CPU: its model thread uses about one CPU. One upload worker always runs, so that a
        single upload does not wait until a model is loaded.
        """
        count = settings.tag_processes or processors()
        return cls(upload=count, backfill=count, upload_on_demand=True, backfill_on_demand=True, flower=flower)

    @property
    def processes(self) -> int:
        """The most processes that open the ledger at one time, the supervisor included."""
        return self.upload + self.backfill + self.solo_on_demand + self.api + len(("reconcile", "deliver", "supervisor"))

    def children(self) -> list[Child]:
        """The child processes in the order in which they start. They end with this process."""
        children = [Child("reconcile", _worker("reconcile")), Child("deliver", _worker("deliver"))]
        uploads = _tags("upload", self.upload, placed=True)
        always = 1 if self.upload_on_demand else len(uploads)
        children += uploads[:always] + [_on_demand(child, "upload") for child in uploads[always:]]
        backfill = _tags("backfill", self.backfill, *([] if self.upload else ["--alone"]), placed=not self.upload)
        children += [_on_demand(child, "backfill") for child in backfill] if self.backfill_on_demand else backfill
        if self.solo_on_demand:
            children.append(_on_demand(Child("tag-solo", _worker("tag", "--lane", "solo"), lane="solo"), "solo"))
        if self.api:
            children.insert(0, Child("api", module("tagger", "api")))
        if self.flower:
            port = f"--port={self.flower}"
            children.append(Child("flower", module("tagger", "flower", port)))
        return children


def _on_demand(child: Child, lane: Lane) -> Child:
    child.restart, child.on_demand = False, lane
    return child


def _tags(lane: Lane, count: int, *options: str, placed: bool) -> list[Child]:
    """`placed`: pin each worker to a CPU of its own, when there is one worker per CPU.

    Under a quota there are fewer workers than CPUs, and every container would pin to CPU 0. A backfill beside uploads is not
    pinned: it would wait for a CPU that an upload uses while another CPU is idle.
    """
    own = placed and count == allowed()
    place = [("--processor", str(i)) if own else () for i in range(count)]
    return [Child(f"tag-{lane}-{i}", _worker("tag", "--lane", lane, *options, *place[i]), lane=lane) for i in range(count)]


def _worker(*role: str) -> list[str]:
    """It is killed with this process while it starts; afterwards it shuts down in order (`end_with_parent`)."""
    return module("workers", "--parent", str(os.getpid()), *role)
