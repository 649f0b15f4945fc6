"""`python -m workers tag --lane upload | deliver | reconcile`: one process of one role, until SIGTERM.

Exit status: 0 ended as asked · 1 could not start · 70 declared dead by the ledger, or a broken device · 71 stuck.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

import structlog

from tagger.errors import TaggerError
from tagger.job import LANES
from tagger.settings import Settings, load
from tagger.system.parent_death import end_with_parent
from tagger.telemetry import logs, metric_files, tracing
from tagger.telemetry.control_characters import escape_controls
from tagger.telemetry.probe_server import Probes, serve_probes

log = structlog.get_logger()


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.role == "tag" and args.alone and args.lane != "backfill":
        parser.error("--alone is for the lane backfill")
    if args.parent:
        end_with_parent(args.parent)
    try:
        settings = load()
        logs.configure(settings, args.role)
    except TaggerError as err:
        print(escape_controls(f"tagger: {err}"), file=sys.stderr)  # noqa: T201 - there is no log before there are settings
        return 1
    try:
        probes = Probes()
        serve_probes(settings.metrics_host, settings.metrics_port, probes)
        return _run(args, settings, probes)
    except TaggerError as err:
        log.critical("worker.start_failed", code=err.code, error=str(err), remedy=err.info().remedy)
        return 1
    except Exception as err:
        log.exception("worker.raised", error=type(err).__name__)
        return 1


def _run(args: argparse.Namespace, settings: Settings, probes: Probes) -> int:
    # Each role imports only its own libraries: a deliverer needs no models.
    if args.role == "tag":
        from workers.roles import tag

        return tag.run(settings, args.lane, probes, alone=args.alone, processor=args.processor)
    if args.role == "deliver":
        from workers.roles import deliver

        return deliver.run(settings, probes)
    from workers.roles import reconcile

    return reconcile.run(settings, probes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="One worker process. Settings come from TAGGER_*.")
    parser.add_argument("--parent", type=int, default=0, metavar="PID", help="end when this process, which started us, ends")
    roles = parser.add_subparsers(dest="role", required=True)
    tag = roles.add_parser("tag", help="describe images")
    tag.add_argument("--lane", choices=LANES, required=True)
    tag.add_argument("--alone", action="store_true", help="a backfill's, where no uploads are served: do not step back")
    tag.add_argument("--processor", type=int, metavar="N", help="the processor, from 0 on, of models that need no device")
    roles.add_parser("deliver", help="write descriptions back")
    roles.add_parser("reconcile", help="free the jobs of the dead, top up hints, feed backfills")
    return parser


if __name__ == "__main__":
    # No interpreter shutdown: a thread stuck in a device's library must not keep a process that has ended its work.
    status = main()
    metric_files.flush()
    tracing.close()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the log's disk is full
            stream.flush()
    os._exit(status)
