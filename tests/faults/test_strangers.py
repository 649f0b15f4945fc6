"""Q23: slow connections without a key, and many large bodies at the same time. Other clients are served; memory and logs stay
small."""

from __future__ import annotations

import base64
import contextlib
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import requests

from faults.figures import LONG, Figures
from faults.harness import KEY, UPLOAD, Rig
from faults.strangers import SlowStranger
from faults.test_broker_faults import BOTH
from tagger.settings import MIB

Build = Callable[..., Rig]
Report = Callable[[Figures], None]
CONNECTIONS = 2_000
DESCRIPTORS = 1_024  # what a process may usually open
BODIES = 40
BASE64_COSTS = 3  # a body as it came, as text, and decoded


class Peak(threading.Thread):
    """The most memory that a process held."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.before = self.most = self._process.memory_info().rss
        self._stop_it = threading.Event()

    def run(self) -> None:
        # The process ends before us only if the test failed. A second error then would hide the first.
        with contextlib.suppress(psutil.NoSuchProcess):
            while not self._stop_it.wait(0.02):
                self.most = max(self.most, self._process.memory_info().rss)

    def growth_mib(self) -> int:
        self._stop_it.set()
        self.join()
        return (self.most - self.before) // MIB


@BOTH
def test_q23_two_thousand_slow_connections_do_not_keep_others_out(build: Build, report: Report, ledger: str) -> None:
    rig = build(ledger)
    api = rig.start("api")
    resource.prlimit(api.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    for role in ("reconcile", "deliver", UPLOAD):
        rig.start(role)
    rig.ready()
    peak = Peak(api.process.pid)
    peak.start()
    stranger = SlowStranger(rig.settings.api_port, CONNECTIONS)
    stranger.start()
    assert stranger.all_open.wait(60)
    rig._http.close()
    waits: list[float] = []
    until = time.monotonic() + (60 if LONG else 12)
    while time.monotonic() < until:
        began = time.monotonic()
        with requests.Session() as fresh:  # a connection of its own for each, as callers have them
            rig._http = fresh
            assert rig.put().status_code == 202
        waits.append(time.monotonic() - began)
        time.sleep(0.1)
    stranger.end()
    rig._http = requests.Session()
    rig.all_done(60)
    figures = rig.figures(
        "Q23", connections=CONNECTIONS, opened=stranger.opened, slowest_202_s=round(max(waits), 2),
        memory_mib=peak.growth_mib(), log_kib=api.log.stat().st_size // 1024, falls=rig.falls(),
    )  # fmt: skip
    report(figures)
    assert (figures.lost, figures.duplicates, figures.more["falls"]) == (0, 0, 0)
    assert max(waits) < 5
    assert figures.more["memory_mib"] < 100
    assert figures.more["log_kib"] < 1024


@BOTH
def test_q23_forty_of_the_largest_bodies_at_once(build: Build, report: Report, ledger: str) -> None:
    """Half of them raw, half of them as base64 in JSON. No worker runs: their jobs wait in the ledger."""
    rig = build(ledger)
    api = rig.start("api")
    rig.ready()
    raw = bytes(rig.settings.max_body_bytes)
    encoded = base64.b64encode(raw)
    head = {"Authorization": f"Bearer {KEY}"}

    def one(number: int) -> int:
        if number % 2:
            return requests.put(f"{rig.api}/v1/assets/big-{number}/image", data=raw, headers=head, timeout=120).status_code
        body = b'{"asset": {"id": "big-%d", "image": {"base64": "%s"}}}' % (number, encoded)
        kind = {"Content-Type": "application/json"}
        return requests.post(f"{rig.api}/v1/jobs", data=body, headers=head | kind, timeout=120).status_code

    peak = Peak(api.process.pid)
    peak.start()
    waits: list[float] = []
    with ThreadPoolExecutor(BODIES) as pool:
        sent = [pool.submit(one, number) for number in range(BODIES)]
        while not all(answer.done() for answer in sent):
            began = time.monotonic()
            assert rig.put(asset=f"small-{len(waits)}").status_code == 202
            waits.append(time.monotonic() - began)
        statuses = [answer.result() for answer in sent]
    growth = peak.growth_mib()
    stored = rig.ledger.stats().jobs.get("accepted", 0)
    accepted = statuses.count(202) + len(waits)
    figures = Figures(
        fault="Q23", ledger=rig.ledger_name, accepted=accepted, lost=accepted - stored, duplicates=0,
        more={"bodies": BODIES, "later_429": statuses.count(429), "slowest_small_s": round(max(waits), 2), "memory_mib": growth},
    )  # fmt: skip
    report(figures)
    assert set(statuses) <= {202, 429}
    assert stored == accepted
    assert max(waits) < 5
    assert growth < BASE64_COSTS * rig.settings.body_memory_bytes // MIB + 100
