"""For any sequence of legal and illegal calls, the ledger behaves like a simple model made of dictionaries."""

from __future__ import annotations

import random
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support.ledger_cases.world import AWAY, BROKEN, FIELDS, World, description, said
from support.postgres import Cluster

from tagger.delivery import AttemptReport
from tagger.errors import DecodeError
from tagger.job import after_crash, retry_at
from tagger.ledger import open_ledger

ASSETS = ("a", "b")  # few, so that versions of one asset meet

LIVE = ("accepted", "running", "described", "done")
ENDS = ("complete", "tell", "fail", "die", "release")  # of a claim; "tell": described, and nothing is to be written
RESULTS = ("delivered", "retry", "reject", "gone")  # of an attempt


@dataclass
class Delivery:
    status: str
    sequence: int
    type: str
    token: str | None = None


@dataclass
class Job:
    asset: str
    version: int
    status: str = "accepted"
    token: str | None = None
    failures: int = 0
    due: int = 0
    delivery: Delivery | None = None
    former: list[Delivery] = field(default_factory=list)  # of failures, before it was replayed
    lane: str = "upload"
    crashes: int = 0
    solo_crashes: int = 0

    @property
    def deliveries(self) -> list[Delivery]:
        return [*self.former, *([self.delivery] if self.delivery else [])]

    def end_message(self, new: str) -> None:
        if self.delivery is not None and self.delivery.status in ("pending", "parked"):
            self.delivery.status = new
        elif self.delivery is not None and self.delivery.status == "dead":
            self.delivery.status = "discarded"


@dataclass
class Model:
    jobs: dict[str, Job] = field(default_factory=dict)
    erased: dict[str, Job] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)

    def job(self, job_id: str) -> Job:
        return self.jobs.get(job_id) or self.erased[job_id]

    def open_of(self, asset: str) -> list[Job]:
        return [j for j in self.jobs.values() if j.asset == asset and j.status in ("accepted", "running", "described")]

    def end(self, job: Job, status: str, delivery: str) -> None:
        """Supersede or cancel an open job."""
        job.status = status
        job.end_message(delivery)

    def overtaken(self, job: Job, delivery: Delivery) -> bool:
        newer = self.sequence.get(job.asset, 0) > delivery.sequence
        return newer or job.status in ("cancelled", "superseded") or delivery is not job.delivery

    def deliveries(self) -> list[Delivery]:
        return [delivery for job in self.jobs.values() for delivery in job.deliveries]


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ids = mock.patch("tagger.ids.secrets.randbits", random.Random(0).getrandbits)  # the same run, the same order
        self.ids.start()
        self.folder = tempfile.TemporaryDirectory()
        self.world = self.new_world()
        self.model = Model()
        self.claims: list[Any] = []
        self.sendings: list[Any] = []
        self.versions = 0
        self.endpoint_enabled = True
        self.boots, self.worker = 0, "w"

    def new_world(self) -> World:
        return World.on_sqlite(Path(self.folder.name) / "ledger.sqlite")

    def teardown(self) -> None:
        self.world.ledger.close()
        self.folder.cleanup()
        self.ids.stop()

    @rule(asset=st.sampled_from(ASSETS), then=st.sampled_from(["wait", "hold", "send", "send", *ENDS]))
    def accept(self, asset: str, then: str) -> None:
        self.versions += 1
        job_id = self.world.accept(asset, str(self.versions))
        for old in self.model.open_of(asset):
            self.model.end(old, "superseded", "superseded")
        self.model.jobs[job_id] = Job(asset=asset, version=self.versions, due=self.world.now)
        if then != "wait":
            self.hold(self.world.claimed(job_id, self.worker))
        if then in ENDS or then == "send":
            self.end_claim(-1, then if then in ENDS else "complete")
        if then == "send":
            self.send(None)

    @rule(seconds=st.sampled_from([1, 15, 400]))
    def wait(self, seconds: int) -> None:
        self.world.later(seconds)
        self.world.ledger.beat(self.worker)

    @rule(then=st.sampled_from(["hold", *ENDS]))
    def claim_oldest(self, then: str) -> None:
        waiting = {i: j for i, j in self.model.jobs.items() if j.status == "accepted" and j.lane == "upload"}
        claimable = [i for i, j in waiting.items() if j.due <= self.world.now]
        claim = self.world.claim(worker=self.worker)
        assert (claim is None) == (not claimable)
        if claim is not None:
            assert claim.job_id in claimable
            assert self.model.jobs[claim.job_id].due == min(self.model.jobs[i].due for i in claimable)
            self.hold(claim)
            if then in ENDS:
                self.end_claim(-1, then)

    def hold(self, claim: Any) -> None:
        job = self.model.jobs[claim.job_id]
        job.status, job.token = "running", claim.token
        self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(which=st.sampled_from([-1, -2, -3]), how=st.sampled_from(ENDS))
    def end_claim(self, which: int, how: str) -> None:
        """Also with a claim that is stale by now."""
        claim = self.claims[max(which, -len(self.claims))]
        job = self.model.job(claim.job_id)
        held = job.status == "running" and job.token == claim.token
        if how in ("complete", "tell"):
            assert self.world.ledger.complete(claim, description(), FIELDS if how == "complete" else {}) == held
            if held:
                job.status, job.crashes, job.solo_crashes = "described", 0, 0
                self.say(job, "asset.described")
        elif how in ("fail", "die"):
            error = BROKEN if how == "fail" else DecodeError("Not an image.").info()
            status = self.world.ledger.fail(claim, error, {})
            assert (status is not None) == held
            if held:
                self.charge(job, status, retryable=how == "fail")
        else:
            assert self.world.ledger.release(claim) == held
            if held:
                job.status = "accepted"

    def say(self, job: Job, kind: str) -> None:
        """A new message about the asset. Whatever waits is about an older version, and about the same fields."""
        for other in self.model.jobs.values():
            for delivery in other.deliveries:
                if other.asset == job.asset and delivery.status in ("pending", "parked"):
                    delivery.status = "superseded"
                    if other.status == "described":
                        other.status = "superseded"
        sequence = self.model.sequence[job.asset] = self.model.sequence.get(job.asset, 0) + 1
        job.delivery = Delivery(status="pending" if self.endpoint_enabled else "parked", sequence=sequence, type=kind)

    def charge(self, job: Job, status: Any, *, retryable: bool) -> None:
        job.failures += 1
        due = retry_at(job.failures, self.world.now) if retryable else None
        if due is None:
            self.say(job, "asset.failed")
        job.status = "dead" if due is None else "accepted"
        job.due = due or 0
        assert job.status == status

    @precondition(lambda self: self.model.sequence)
    @rule(result=st.sampled_from([None, None, *RESULTS]))
    def send(self, result: Any) -> None:
        """Claim all that is due; finish the last one at once, or hold it."""
        sending = {j.asset for j in self.model.jobs.values() for d in j.deliveries if d.status == "sending"}
        claims = self.world.ledger.claim_deliveries(worker_id=self.worker, limit=50)
        for claim in claims:
            job = self.model.jobs[claim.job_id]
            assert job.delivery is not None
            assert (job.delivery.status, job.delivery.type, job.delivery.sequence) == ("pending", claim.type, claim.sequence)
            assert job.asset not in sending
            assert self.endpoint_enabled
            job.delivery.status, job.delivery.token = "sending", claim.token
            self.sendings.append((claim, job, job.delivery))
        if claims and result:
            self.finish(-1, result)

    @precondition(lambda self: self.sendings)
    @rule(which=st.sampled_from([-1, -1, -2]), result=st.sampled_from(RESULTS))
    def finish(self, which: int, result: Any) -> None:
        """Also with a claim that is stale by now."""
        claim, job, delivery = self.sendings[max(which, -len(self.sendings))]
        held = delivery.status == "sending" and delivery.token == claim.token
        good = result in ("delivered", "gone")
        report = AttemptReport(
            result=result, status={"delivered": 200, "gone": 404}.get(result, 500), duration_ms=1, error=None if good else AWAY,
            outcomes=(said("written", f"sha256:{job.version}"),) if result == "delivered" and claim.fields else (),
        )  # fmt: skip
        status = self.world.ledger.finish_delivery(claim, report, random.Random(1))
        assert (status is not None) == held
        if status is not None:
            self.settle_delivery(job, delivery, result, status)

    def settle_delivery(self, job: Job, delivery: Delivery, result: str, status: str) -> None:
        waits = "pending" if self.endpoint_enabled else "parked"
        back = "superseded" if self.model.overtaken(job, delivery) else waits
        expected = {"delivered": "delivered", "gone": "delivered", "reject": "dead", "retry": back}[result]
        assert status == expected
        delivery.status = expected
        if job.status == "described" and delivery is job.delivery and expected in ("delivered", "superseded"):
            job.status = "done" if expected == "delivered" else "superseded"

    @rule(enabled=st.sampled_from([True, True, True, False]))
    def enable_endpoint(self, enabled: bool) -> None:
        self.world.ledger.enable_endpoint("end_s", enabled)
        self.world.ledger.claim_deliveries(worker_id=self.worker, limit=0)  # settles
        self.endpoint_enabled = enabled
        old, new = ("parked", "pending") if enabled else ("pending", "parked")
        for delivery in self.model.deliveries():
            if delivery.status == old:
                delivery.status = new

    @precondition(lambda self: self.model.jobs)
    @rule(which=st.sampled_from([-1, -2, -3]))
    def cancel(self, which: int) -> None:
        job_id, job = list(self.model.jobs.items())[max(which, -len(self.model.jobs))]
        if job.status in ("accepted", "running", "described"):
            self.model.end(job, "cancelled", "discarded")
        assert self.world.ledger.cancel(job_id) == job.status

    @precondition(lambda self: self.model.jobs)
    @rule(asset=st.sampled_from(ASSETS))
    def delete(self, asset: str) -> None:
        """The asset is deleted in its CMS; claims of its jobs and deliveries stay in our hands, stale. Its hooks come again."""
        mine = {i: j for i, j in self.model.jobs.items() if j.asset == asset}
        assert self.world.ledger.erase_asset("s", asset, deleted=True).jobs == len(mine)
        for job_id, job in mine.items():
            del self.model.jobs[job_id]
            [answer] = self.world.ledger.accept([self.world.request(asset, str(job.version))])
            assert (answer.created, answer.status, answer.job_id) == (False, "cancelled", job_id)
            job.status = "erased"
            for delivery in job.deliveries:
                delivery.status = "erased"
            self.model.erased[job_id] = job

    @precondition(lambda self: self.model.jobs)
    @rule(which=st.sampled_from([-1, -2, -3]))
    def hook_again(self, which: int) -> None:
        """A late copy of a hook, whatever has become of its job since."""
        job_id, job = list(self.model.jobs.items())[max(which, -len(self.model.jobs))]
        newest = [j for j in self.model.jobs.values() if j.asset == job.asset and j.status in LIVE and j.version > job.version]
        if job.status == "cancelled" or (job.status == "superseded" and not newest):
            return  # then it is asked for anew: tests/support/ledger_cases/jobs.py and erasing.py
        assert self.world.accept(job.asset, str(job.version)) == job_id

    @precondition(lambda self: any(job.status == "dead" for job in self.model.jobs.values()))
    @rule(which=st.sampled_from([0, -1]))
    def replay(self, which: int) -> None:
        """A dead job begins anew, unless a newer one speaks for its asset. Its failure is no longer true."""
        job_id, job = [(i, j) for i, j in self.model.jobs.items() if j.status == "dead"][which]
        newer = [j for j in self.model.jobs.values() if j.asset == job.asset and j.version > job.version and j.status in LIVE]
        if any(open_job.version < job.version for open_job in self.model.open_of(job.asset)):
            return  # replayed before: on PostgreSQL the older one then has no last word, on SQLite nobody decides
        assert self.world.ledger.replay([job_id]) == (not newer)
        if newer:
            return
        job.end_message("superseded")
        job.former, job.delivery = job.deliveries, None
        job.status, job.failures, job.crashes, job.solo_crashes, job.due = "accepted", 0, 0, 0, self.world.now

    @rule(retires=st.booleans())
    def worker_ends(self, retires: bool) -> None:
        """By a crash, noticed by its silence, or in order: its jobs and deliveries go back, charged or not."""
        if retires:
            self.world.ledger.retire_worker(self.worker)
        else:
            self.world.later(30)
            assert [e.worker_id for e in self.world.ledger.expire_workers()] == [self.worker]
        for job in self.model.jobs.values():
            if job.status == "running":
                self.crash(job, retires)
            for delivery in job.deliveries:
                if delivery.status == "sending":
                    self.put_back(job, delivery)
        assert self.world.ledger.beat(self.worker) is False
        self.boots += 1
        self.worker = f"w{self.boots}"
        self.world.worker(self.worker)

    def crash(self, job: Job, retires: bool) -> None:
        if retires:
            job.status = "accepted"
            return
        ruling = after_crash(job.lane, job.crashes, job.solo_crashes)  # type: ignore[arg-type]
        if ruling.status == "dead":
            self.say(job, "asset.failed")
        job.status, job.lane, job.crashes, job.solo_crashes = ruling.status, ruling.lane, ruling.crashes, ruling.solo_crashes

    def put_back(self, job: Job, delivery: Delivery) -> None:
        waits = "pending" if self.endpoint_enabled else "parked"
        delivery.status = "superseded" if self.model.overtaken(job, delivery) else waits
        if job.status == "described" and delivery is job.delivery and delivery.status == "superseded":
            job.status = "superseded"

    @invariant()
    def same_as_the_model(self) -> None:
        seen = {job.id: job for job in self.world.ledger.jobs(limit=500).data}
        assert {i: (j.status, j.failures) for i, j in seen.items()} == {
            i: (j.status, j.failures) for i, j in self.model.jobs.items()
        }
        sent = {(d.asset_id, d.sequence): (d.job_id, d.status, d.type) for d in self.world.ledger.deliveries(limit=500).data}
        assert sent == {
            (job.asset, d.sequence): (job_id, d.status, d.type) for job_id, job in self.model.jobs.items() for d in job.deliveries
        }
        stats = self.world.ledger.stats()
        for status in {j.status for j in self.model.jobs.values()} | set(stats.jobs):
            assert stats.jobs.get(status, 0) == sum(j.status == status for j in self.model.jobs.values())  # type: ignore[call-overload]
        sent_counts = {status: number for status, number in stats.deliveries.items() if number}
        assert sent_counts == Counter(delivery.status for delivery in self.model.deliveries())
        sending = [j.asset for j in self.model.jobs.values() for d in j.deliveries if d.status == "sending"]
        assert len(sending) == len(set(sending))


LedgerMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestLedgerModel = LedgerMachine.TestCase


def test_postgresql_behaves_in_the_same_way(postgres: Cluster) -> None:
    template = postgres.create()
    migrated = open_ledger(template)
    migrated.migrate()
    migrated.close()
    name = template.partition("?")[0].rpartition("/")[2]

    class OnPostgres(LedgerMachine):
        def new_world(self) -> World:
            fresh = f"m{uuid.uuid4().hex[:12]}"
            postgres.sql(f"CREATE DATABASE {fresh} TEMPLATE {name}")
            return World(postgres.url(fresh))

    few = settings(LedgerMachine.TestCase.settings, max_examples=8)
    run_state_machine_as_test(OnPostgres, settings=few)
