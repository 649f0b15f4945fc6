"""The supervisor before it starts processes: metrics ports, the last words of a dead worker, and metrics that start at 0."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from prometheus_client.core import REGISTRY

from tagger.errors import PortTaken, WeightsNotFetched
from tagger.settings import load
from tagger.supervisor import ports
from tagger.supervisor.home_files import HomeFiles
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.process import Child
from tagger.system.home import free_port
from tagger.telemetry import logs


def with_ports(home: Path, **more: object) -> list[Child]:
    children = ProcessPlan(upload=2, backfill=1).children()
    ports.give_metrics_ports(load({}, home=home, **more), children)
    return children


def test_each_worker_has_a_port_of_its_own_for_its_metrics(tmp_path: Path) -> None:
    first = free_port()
    workers = [child for child in with_ports(tmp_path, metrics_port=first) if child.name != "api"]
    assert [child.metrics_port for child in workers] == [first + n for n in range(6)]  # the solo worker's too, whenever it comes
    assert {child.metrics_port for child in with_ports(tmp_path)} == {0}


def test_a_taken_port_of_metrics_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            with_ports(tmp_path, metrics_port=port)


def test_a_worker_that_cannot_start_is_quoted_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    files, child = HomeFiles(tmp_path, 64 * 1024), Child("tag-upload-0", [])
    line = {"event": "worker.start_failed", "code": "weights_not_fetched", "error": "No weights.", "remedy": "Pull them."}
    log = tmp_path / "logs" / "tag-upload-0.log"
    log.write_text("noise\n" + json.dumps(line) + "\n")
    cause = files.cause(child)
    assert isinstance(cause, WeightsNotFetched)
    assert (cause.detail, cause.remedy) == ("tag-upload-0 cannot start: No weights.", "Pull them.")
    for other in (
        json.dumps({**line, "code": "ledger_unavailable"}),
        json.dumps({**line, "event": "worker.ended"}),
        "[]",
        "Killed",
    ):
        log.write_text(other + "\n")
        assert files.cause(child) is None, "it may start the next time"


def test_what_alerts_ask_for_reads_nought_before_the_first_time(tmp_path: Path) -> None:
    logs.configure(load({}, home=tmp_path), "test")
    for name, labels in (
        ("tagger_operator_events_total", {"event": "endpoint.disabled"}),
        ("tagger_jobs_total", {"lane": "upload", "status": "dead"}),
        ("tagger_delivery_attempts_total", {"result": "reject", "type": "asset.failed"}),
    ):
        assert REGISTRY.get_sample_value(name, labels) is not None, name


def test_a_free_port_is_none_that_the_kernel_gives_to_a_connection() -> None:
    for _ in range(20):
        with socket.create_server(("127.0.0.1", free_port())) as server:
            assert server.getsockname()[1] < 32_768


def test_where_no_port_is_free_the_remedy_is_told() -> None:
    with pytest.raises(PortTaken) as told:
        free_port("192.0.2.1")  # no address of this machine
    assert "TAGGER_API_PORT" in told.value.remedy
