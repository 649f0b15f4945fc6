"""The figures of one run, from its samples and from the ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bench.house import percentile
from bench.load.product import Product
from bench.load.samples import Sample, Sampler, processor_name
from bench.load.traffic import Uploads

SHARES = "array[0.5, 0.95, 0.99]"
LANES = (
    f"SELECT lane, count(*), array_to_string(percentile_cont({SHARES}) WITHIN GROUP (ORDER BY {{took}}), ',') FROM jobs "
    "WHERE status = 'done' GROUP BY lane"
)
STATES = "SELECT lane, status, count(*) FROM jobs GROUP BY lane, status"
TABLES = (
    "SELECT relname, pg_table_size(relid), pg_indexes_size(relid) FROM pg_catalog.pg_statio_user_tables "
    "ORDER BY pg_total_relation_size(relid) DESC"
)
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
FULL = 0.9  # of the processors: from here on they are what bounds the throughput
PILE_SECONDS = 5.0  # if more work than this waits for its delivery, describing is not the bound


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the database has written so far."""

    wal_bytes: int
    commits: int

    @classmethod
    def of(cls, product: Product) -> Written:
        return cls(wal_bytes=int(product.sql(WAL)[0][0]), commits=int(product.sql(COMMITS)[0][0]))


def rate(samples: list[Sample], least: float = 0.1, most: float = 0.9) -> float:
    """Jobs a second between these shares of all jobs: neither the start nor the end, where not all stages are full."""
    total = samples[-1].done
    inside = [s for s in samples if least * total <= s.done <= most * total]
    if len(inside) < 2 or inside[-1].at_s == inside[0].at_s:
        inside = [samples[0], samples[-1]]
    return (inside[-1].done - inside[0].done) / max(0.001, inside[-1].at_s - inside[0].at_s)


def lanes(product: Product) -> dict[str, dict[str, Any]]:
    """Seconds from acceptance, and from the claim, to the answer of the CMS, by lane."""

    def shares_of(took: str) -> dict[str, tuple[int, list[float]]]:
        rows = product.sql(LANES.format(took=took))
        return {lane: (int(jobs), [float(ms) / 1000 for ms in shares.split(",")]) for lane, jobs, shares in rows}

    whole, work = shares_of("updated_ms - created_ms"), shares_of("updated_ms - claimed_ms")
    names = ("p50_s", "p95_s", "p99_s")
    return {
        lane: {
            "jobs": jobs,
            "accepted_to_done": {name: round(s, 3) for name, s in zip(names, shares, strict=True)},
            "claimed_to_done": {name: round(s, 3) for name, s in zip(names, work[lane][1], strict=True)},
        }
        for lane, (jobs, shares) in sorted(whole.items())
    }


def sizes(product: Product, jobs: int) -> dict[str, dict[str, float]]:
    """Bytes per job of each table and of its indexes."""
    return {
        name: {"table": round(int(table) / jobs, 1), "indexes": round(int(indexes) / jobs, 1)}
        for name, table, indexes in product.sql(TABLES)
        if int(table) + int(indexes) > jobs
    }


def bound(samples: list[Sample], share_of_processors: float, processor_ms: dict[str, float], waits: dict[str, int]) -> str:
    """The part that bounds the throughput, in words: where jobs pile up, and what is used up."""
    undelivered = mean(sample.undelivered for sample in samples)
    stage = "delivering" if undelivered > PILE_SECONDS * rate(samples) else "describing"
    role, most = max(processor_ms.items(), key=lambda item: item[1])
    pile = f"{stage} (on average {undelivered:.0f} described jobs wait for their delivery)"
    if share_of_processors >= FULL:
        return f"{pile}; the processors are full, {role} takes {most / sum(processor_ms.values()):.0%} of tagger's share"
    wait = max(waits, key=lambda word: waits[word], default="nothing")
    return f"{pile}; {share_of_processors:.0%} of the processors are used, PostgreSQL's sessions mostly wait for {wait}"


def of_run(product: Product, sampler: Sampler, uploads: Uploads, before: Written, workers: int) -> dict[str, Any]:
    after, states = Written.of(product), {f"{lane} {status}": int(n) for lane, status, n in product.sql(STATES)}
    jobs, done = sum(states.values()), sampler.samples[-1].done
    cores = os.cpu_count() or 1
    used = sampler.processors.by_role()
    share = sampler.busy_seconds / (sampler.seconds * cores)
    per_job = {role: round(1000 * s / jobs, 2) for role, s in sorted(used.items(), key=lambda item: -item[1])}
    answers = uploads.answer_ms or [0.0]
    return {
        "workers": workers,
        "jobs": jobs,
        "lost": jobs - done,
        "written_twice": product.receiver.duplicates(),
        "states": states,
        "uploads_refused": uploads.refused,
        "seconds": round(sampler.seconds, 1),
        "jobs_a_second": round(rate(sampler.samples), 1),
        "jobs_a_second_by_third": [round(rate(sampler.samples, n / 3, (n + 1) / 3), 1) for n in range(3)],
        "lanes": lanes(product),
        "upload_answer_ms": {f"p{share}": round(percentile(answers, share), 1) for share in (50, 95, 99)},
        "processor_ms_a_job": per_job,
        "processors_used": round(share, 3),
        "processors_used_by_others": round(max(0.0, share - sum(used.values()) / (sampler.seconds * cores)), 3),
        "postgres_waits": dict(sampler.waits.most_common(6)),
        "bound": bound(sampler.samples, share, per_job, dict(sampler.waits)),
        "memory_mib_most": {r: max(s.memory_mib.get(r, 0.0) for s in sampler.samples) for r in sampler.samples[-1].memory_mib},
        "ledger_bytes_a_job": round((sampler.samples[-1].ledger_mib - sampler.samples[0].ledger_mib) * (1 << 20) / jobs),
        "broker_mib_most": max(s.broker_mib for s in sampler.samples),
        "broker_file_mib_most": max(s.broker_file_mib for s in sampler.samples),
        "wal_bytes_a_job": round((after.wal_bytes - before.wal_bytes) / jobs),
        "commits_a_job": round((after.commits - before.commits) / jobs, 2),
        "bytes_a_job_by_table": sizes(product, jobs),
        "machine": {"processors": cores, "model": processor_name(), "broker": sampler.broker_version,
                    "postgres": product.sql("SHOW server_version")[0][0]},
        "samples": [sample.to_dict() for sample in sampler.samples],
    }  # fmt: skip
