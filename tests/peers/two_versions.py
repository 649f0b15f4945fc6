"""Two versions of tagger on one ledger, one broker and one receiver, as their real programs: `make upgrade-test`.

The old version comes from git (`--old`, a commit; the clone needs its history). It uses the packages of this environment, and
those of `--with`. What one version accepts, describes or leaves undelivered, the other takes over, in both directions; at the end
both work side by side. Nothing may be lost or written twice.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import requests
from faults.harness import png
from faults.receiver import Receiver
from support.postgres import cluster

from peers.old_version import ROOT, Version, unpack, until
from tagger.supervisor import redis_server
from tagger.system.home import free_port

FIRST = "5916473"  # 0.1.0: the oldest version that this environment runs
TAG, SITE = "tag --lane upload", "s"
TOGETHER = 40  # images while both versions work
EITHER = 1  # of them, described and sent by each version at least


class Cms:
    """Sends images to whichever API runs, and asks after its jobs."""

    def __init__(self, api: str, key: str, receiver: Receiver) -> None:
        self.api, self.receiver = api, receiver
        self.headers = {"Authorization": f"Bearer {key}"}
        self.jobs: dict[str, str] = {}  # asset → job

    def send(self, asset: str) -> None:
        colour = (len(self.jobs) % 200, 90, 140)
        headers = {**self.headers, "Content-Type": "image/png"}
        answer = requests.put(f"{self.api}/v1/assets/{asset}/image", data=png(colour), headers=headers, timeout=30)
        if answer.status_code != 202:
            raise SystemExit(f"{asset} was not accepted: {answer.status_code} {answer.text}")
        self.jobs[asset] = answer.json()["id"]

    def status(self, asset: str) -> str:
        return str(requests.get(f"{self.api}/v1/jobs/{self.jobs[asset]}", headers=self.headers, timeout=30).json()["status"])

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.api}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


class Upgrade:
    def __init__(self, old: Version, new: Version, cms: Cms) -> None:
        self.old, self.new, self.cms = old, new, cms
        self.both = (old, new)

    def reach(self, asset: str, status: str) -> None:
        until(f"{asset} is {status}", lambda: self.cms.status(asset) == status, self.both)

    def api_of(self, version: Version) -> None:
        version.start("api")
        until(f"the API of {version.name} answers", self.cms.answers, self.both)

    def old_leaves_work(self) -> None:
        """One image described and not delivered, one only accepted."""
        self.api_of(self.old)
        self.old.start("reconcile", TAG)
        self.cms.send("described-by-old")
        self.reach("described-by-old", "described")
        self.old.end(TAG)
        self.cms.send("accepted-by-old")
        self.old.end()
        print(f"1. {self.old.name}: its programs described one image and accepted another; both wait", flush=True)

    def new_takes_over(self) -> None:
        self.new.tagger("migrate")
        self.api_of(self.new)
        self.new.start("reconcile", "deliver")
        self.reach("described-by-old", "done")
        self.new.start(TAG)
        self.reach("accepted-by-old", "done")
        self.new.end("deliver")
        self.cms.send("described-by-new")
        self.reach("described-by-new", "described")
        self.new.end(TAG)
        self.cms.send("accepted-by-new")
        print(
            "2. this version migrated the ledger, delivered the first and described the second; it left two of its own",
            flush=True,
        )

    def old_works_on_the_new_ledger(self) -> None:
        """Its workers and its reconciler; the API stays new, because that of 0.1.0 refuses a newer ledger."""
        self.new.end("reconcile")
        self.old.start("reconcile", "deliver")
        self.reach("described-by-new", "done")
        self.old.start(TAG)
        self.reach("accepted-by-new", "done")
        self.old.end("deliver")
        self.cms.send("described-by-old-again")
        self.reach("described-by-old-again", "described")
        self.new.start("deliver")
        self.reach("described-by-old-again", "done")
        print(
            f"3. {self.old.name}: its workers did the same on the migrated ledger, and this version delivered what they described"
        )

    def side_by_side(self) -> None:
        """All workers of both versions; then those of the old one end, as in a rolling upgrade."""
        before = self._worked()
        self.old.start("deliver")
        self.new.start(TAG, "reconcile")
        until("both tag workers work", lambda: all(v.times(TAG, "worker.registered") for v in self.both), self.both)
        number = 0
        while number < TOGETHER or min(self._since(before)) < EITHER:
            self.cms.send(f"together-{number}")
            number += 1
            if number > 50 * TOGETHER:
                raise SystemExit(f"one version did nothing: {self._since(before)}")
        self.old.end()
        for asset in self.cms.jobs:
            self.reach(asset, "done")
        described_old, described_new, sent_old, sent_new = self._since(before)
        described = f"{described_old} described by {self.old.name}, {described_new} by this version"
        print(f"4. side by side: {number} images, {described}; {sent_old} and {sent_new} sent", flush=True)

    def _worked(self) -> list[int]:
        """How many jobs each version described and how many messages each sent, so far."""
        return [v.times(role, *events) for role, events in ((TAG, ("job.described",)), ("deliver", SENT)) for v in self.both]

    def _since(self, before: list[int]) -> list[int]:
        return [now - then for now, then in zip(self._worked(), before, strict=True)]


SENT = ("delivery.attempted", "delivery_attempted")  # the latter in 0.1.0


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--old", default=FIRST)
    asked.add_argument("--with", dest="needs", nargs="*", default=["ruamel.yaml~=0.19"])
    asked.add_argument("--ledger", choices=["sqlite", "postgres"], default="sqlite")
    given = asked.parse_args()
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="upgrade-")))
        home, logs = folder / "home", folder / "logs"
        home.mkdir(), logs.mkdir()
        source, extra = unpack(given.old, folder, given.needs)
        broker = parts.enter_context(redis_server.start(home))
        url = parts.enter_context(cluster()).create() if given.ledger == "postgres" else f"sqlite:///{home}/ledger.sqlite"
        port = free_port()
        settings = {
            "TAGGER_HOME": str(home), "TAGGER_LEDGER_URL": url, "TAGGER_BROKER_URL": broker.url, "TAGGER_API_PORT": str(port),
            "TAGGER_CAPTION": "fake", "TAGGER_EMBED": "fake", "TAGGER_DECODE_PROCESSES": "1",
        }  # fmt: skip
        old = Version(f"version {given.old}", source, settings, logs, extra)
        new = Version("this version", ROOT, settings, logs)
        receiver = Receiver()
        parts.callback(receiver.close)
        for version in (old, new):
            parts.callback(version.kill)
        added = old.tagger("sites", "add", SITE, "--endpoint", receiver.url, "--allow-private", "--json")
        receiver.secret = added["callback_secret"]
        key = old.tagger("keys", "create", "--site", SITE, "--json")["key"]
        upgrade = Upgrade(old, new, Cms(f"http://127.0.0.1:{port}", key, receiver))
        upgrade.old_leaves_work()
        upgrade.new_takes_over()
        upgrade.old_works_on_the_new_ledger()
        upgrade.side_by_side()
        images, twice = len(upgrade.cms.jobs), receiver.duplicates()
        if twice or set(receiver.effective) != set(upgrade.cms.jobs):
            raise SystemExit(f"of {images} images {len(receiver.effective)} were written, {twice} of them twice")
    print(f"upgrade-test: ok. {images} images on {given.ledger}, each written once; {given.old} and this version")


if __name__ == "__main__":
    main()
