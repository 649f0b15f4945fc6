"""A soak: uploads and folder backfills for minutes, while processes are killed and frozen, and broker and ledger restarted.

    make soak                                  # 20 minutes on PostgreSQL
    make soak ARGS="--minutes 2 --ledger sqlite"

Two sets of processes work side by side: those of `tagger up`, at which the faults are aimed and which it starts anew, and one
of each role that is spared. Memory is compared over the spared ones: a process that dies every minute shows no leak.
Exit status 1 when a job is lost, written twice or left over, or a role's memory grew.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text
from support.postgres import Cluster, cluster

from faults.figures import SEED, share
from faults.harness import BACKFILL, UPLOAD, Rig
from faults.memory import Row, Sampler, plot, table
from faults.mischief import Mischief
from faults.traffic import Traffic
from tagger.system.home import free_port

GROWTH_BAR = 1.05
GROWTH_MINUTES = 10  # in a shorter soak processes still fill their pools: a decoder keeps 16 MB in the end
SPARED = ("reconcile", "deliver", UPLOAD, BACKFILL)
OPEN = text(
    "SELECT count(CASE WHEN status IN ('accepted', 'running', 'described') THEN 1 END), "
    "count(CASE WHEN status IN ('described', 'done', 'dead', 'superseded', 'cancelled') THEN 1 END) FROM jobs"
)
ENDS = text("SELECT lane, status, updated_ms - created_ms AS took FROM jobs")
CAUSES = text("SELECT j.id, e.error FROM jobs j LEFT JOIN job_errors e ON e.job_id = j.id WHERE j.status = 'dead'")
STALLED_SECONDS = 120  # without one job that ended, what is left will not end


def main() -> int:
    parser = argparse.ArgumentParser(description="Uploads, backfills and faults for minutes; what was lost, and what grew.")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--ledger", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--uploads", type=float, default=3, help="per second")
    parser.add_argument("--plot", type=Path, help="where to write the plot (SVG)")
    parser.add_argument("--out", type=Path, help="where to write samples and figures (JSON)")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"seed {args.seed}, {args.minutes:g} min on {args.ledger}, logs in {folder / 'home' / 'logs'}", flush=True)
    with ExitStack() as stack:
        server = stack.enter_context(cluster()) if args.ledger == "postgres" else None
        rig = build(folder / "home", args.ledger, server)
        stack.callback(rig.close)
        at_work(rig)
        return soak(rig, server, args)


def build(home: Path, ledger: str, server: Cluster | None) -> Rig:
    url = {"ledger_url": server.create()} if server else {}
    return Rig(home, ledger_name=ledger, a_ms=200, b_ms=150, tag_processes=1, window=300, **url)


def at_work(rig: Rig) -> None:
    rig.start("up")
    rig.start("api", api_port=free_port())
    for role in SPARED:
        rig.start(role)
    rig.ready(90)


def soak(rig: Rig, server: Cluster | None, args: argparse.Namespace) -> int:
    began = time.monotonic()
    length_s = args.minutes * 60

    def now_s() -> float:
        return time.monotonic() - began

    traffic = Traffic(rig, random.Random(args.seed), args.uploads)
    mischief = Mischief(rig, server, random.Random(args.seed + 1), now_s)
    sampler = Sampler(mischief.living, now_s)
    for thread in (sampler, traffic.uploads, traffic.backfills, mischief.thread):
        thread.start()
    pause = threading.Event()
    while now_s() < length_s:
        pause.wait(min(30.0, max(0.0, length_s - now_s())))
        print(f"{now_s():5.0f} s  {traffic.words()}  {mischief.words()}", flush=True)
    samples = sampler.end()
    mischief.end()
    traffic.end()
    left = drain(rig)
    rows = table(samples, length_s)
    figures = judge(rig, traffic, mischief, left, rows, long=args.minutes >= GROWTH_MINUTES)
    if args.plot:
        title = f"Resident memory by role, {args.minutes:g} min, {mischief.total()} faults"
        args.plot.write_text(plot(samples, mischief.marks, length_s, title), "utf-8")
    if args.out:
        body = {**figures, "samples": [vars(s) for s in samples], "marks": mischief.marks, "length_s": length_s}
        args.out.write_text(json.dumps(body))
    return 0 if figures["ok"] else 1


def drain(rig: Rig) -> int:
    """Jobs that are still open after the faults have ended, and of which none ended for STALLED_SECONDS."""
    pause = threading.Event()
    ended, since = -1, time.monotonic()
    while True:
        with rig.reader.connect() as conn:
            left, now = conn.execute(OPEN).one()
        if now != ended:
            ended, since = now, time.monotonic()
        if not left or time.monotonic() - since > STALLED_SECONDS:
            return int(left)
        pause.wait(0.5)


def judge(rig: Rig, traffic: Traffic, mischief: Mischief, left: int, rows: list[Row], *, long: bool) -> dict[str, object]:
    """Prints everything; the figures, with `ok`. `long`: long enough to judge the growth of memory."""
    with rig.reader.connect() as conn:
        ends = conn.execute(ENDS).all()
        causes = [json.loads(error) if isinstance(error, str) else error for _, error in conn.execute(CAUSES)]
    accepted = [*traffic.accepted, *(job.id for job in traffic.fed_jobs())]
    states = rig.states(accepted)
    lost = sum(1 for job in accepted if states.get(job) not in ("done", "dead"))
    done = sum(1 for row in ends if row.status == "done")
    dead: dict[str, int] = {}
    for cause in causes:
        code = str(cause["code"]) if cause else "no cause"
        dead[code] = dead.get(code, 0) + 1
    figures: dict[str, object] = {
        "accepted": len(accepted), "uploads": len(traffic.accepted), "lost": lost, "left_open": left, "done": done, "dead": dead,
        "duplicate_effective_writes": rig.receiver.duplicates(), "effective_writes": rig.effective(),
        "refused_503": traffic.refused, "no_answer": traffic.unanswered, "faults": dict(mischief.counts),
        "spared_that_fell": rig.falls(),
    }  # fmt: skip
    for lane in ("upload", "backfill"):
        took = [row.took / 1000 for row in ends if row.lane == lane and row.status == "done"]
        if took:
            figures |= {f"{lane}_p50_s": round(share(took, 0.5), 2), f"{lane}_p99_s": round(share(took, 0.99), 2)}
    print("\n" + "\n".join(f"{name:>28}  {value}" for name, value in figures.items()))
    print(
        f"\n{'role':>23} {'processes':>10} " + " ".join(f"{f'quarter {n}':>10}" for n in range(1, 5)) + "   4/2   (MiB, medians)"
    )
    for row in rows:
        cells = " ".join(f"{'' if q is None else f'{q:.1f}':>10}" for q in row.quarters)
        growth = "" if row.growth is None else f"{row.growth:.3f}"
        print(f"{row.role:>23} {row.processes:>10} {cells}  {growth:>5}   {'spared' if row.spared else 'killed, started anew'}")
    grown = [row.role for row in rows if row.spared and row.growth is not None and row.growth > GROWTH_BAR]
    figures["grown"] = grown
    figures["memory"] = [{**vars(row), "growth": row.growth} for row in rows]
    bars = (lost, left, rig.receiver.duplicates(), len(grown) if long else 0, dead.get("no cause", 0), rig.effective() - done)
    figures["ok"] = not any(bars)
    memory = "no role's memory grew" if long else f"growth of memory is not judged below {GROWTH_MINUTES} minutes"
    good = f"ok. {figures['accepted']} jobs accepted, none lost or written twice; {memory}"
    bad = f"FAILED. lost {lost}, left {left}, grown {grown}, seed {SEED}"
    print(f"\nsoak: {good if figures['ok'] else bad}", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
