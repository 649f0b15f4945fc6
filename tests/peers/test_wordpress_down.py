"""Each part is down while a photograph is uploaded to a real WordPress. It gets its words afterwards, with no hand."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from peers.joined import Joined, Tagger, join, until

SECONDS = 180.0  # a worker loads its models anew; an endpoint that was away is tried again


def jobs(joined: Joined, asset: int) -> list[str]:
    return [job.status for job in joined.tagger.ledger.jobs(site_id=joined.name, asset_id=str(asset)).data]


def test_the_worker_was_down(wordpress: Joined) -> None:
    stack = wordpress.tagger.stack
    [name] = [child.name for child in stack.children if "upload" in child.name]
    killed = stack.pid_of(name)
    os.kill(killed, signal.SIGKILL)
    asset = wordpress.upload("sk_coffee.png", "no-worker.png")
    assert wordpress.described(asset, SECONDS)
    assert stack.pid_of(name) != killed
    assert len(jobs(wordpress, asset)) == 1


def test_the_broker_was_down(wordpress: Joined) -> None:
    broker = wordpress.tagger.stack._broker.broker
    assert broker is not None
    assert broker.process is not None
    broker.process.kill()
    asset = wordpress.upload("sk_coffee.png", "no-broker.png")
    assert wordpress.described(asset, SECONDS)
    assert len(jobs(wordpress, asset)) == 1


def failed(joined: Joined, job_id: str, role: str) -> bool:
    """Whether the image could not be fetched, or the message not be delivered."""
    ledger = joined.tagger.ledger
    job = ledger.job(job_id)
    if role == "tag-upload":
        return job.failures > 0
    return job.delivery_id is not None and ledger.delivery(job.delivery_id).attempts > 0


@pytest.mark.parametrize("role", ["tag-upload", "deliver"])
def test_wordpress_was_down(role: str, wordpress: Joined) -> None:
    """It goes when tagger has the job, or when it has the words. The process that would ask WordPress waits until it is gone."""
    server, stack, ledger = wordpress.wp.server, wordpress.tagger.stack, wordpress.tagger.ledger
    assert server is not None
    [pid] = [stack.pid_of(child.name) for child in stack.children if child.name.startswith(role)]
    os.kill(pid, signal.SIGSTOP)
    try:
        asset = wordpress.upload("sk_coffee.png", "no-wordpress.png")
        [job] = until(lambda: ledger.jobs(site_id=wordpress.name, asset_id=str(asset)).data, "tagger has the job")
        if role == "deliver":
            until(lambda: ledger.job(job.id).status == "done" or ledger.job(job.id).description, "it is described")
        server.stop()
    finally:
        with contextlib.suppress(ProcessLookupError):  # the supervisor starts a process anew that is stopped for long
            os.kill(pid, signal.SIGCONT)
    try:
        until(lambda: failed(wordpress, job.id, role), "an attempt has failed", SECONDS)
    finally:
        server.start()
    assert wordpress.described(asset, SECONDS)
    assert len(jobs(wordpress, asset)) == 1


def test_tagger_was_down(wordpress: Joined, tmp_path: Path) -> None:
    """Pictures of the moment in which it ends, and of the time without it. It comes back with its ledger, at another port."""
    home = tmp_path / "home"
    try:
        with Tagger.running(home) as tagger:
            join(tagger, wordpress.wp)
            last = wordpress.upload("sk_coffee.png", "last.png")
        without = wordpress.upload("sk_coffee.png", "without-tagger.png")
        with Tagger.running(home) as tagger:
            wordpress.wp.set_up(url=tagger.url)
            until(lambda: wordpress.cron() == 0, "WP-Cron has sent what waited", SECONDS)
            assert wordpress.described(last, SECONDS)
            assert wordpress.described(without, SECONDS)
    finally:
        wordpress.wp.set_up(**wordpress.settings)
