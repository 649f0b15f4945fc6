"""A test of real processes that fails gets one second try, and the end of the output says so. tests/conftest.py uses it.

Such a test waits for other processes, and its deadline may pass on a machine that stood still. A failure that happens once is
still a finding, so the whole first failure is printed. A unit test or a property test never gets a second try: it waits for
nobody, so each failure is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

import pytest

TITLE = "passed only at the second try"
FOLDERS = ("acceptance", "compose", "faults", "peers")
MODULES = (
    "helm/test_alert_fires.py",
    "integration/api/test_api_connections.py",
    "integration/api/test_api_socket.py",
    "integration/api/test_old_routes.py",
    "integration/api/test_store_away.py",
    "integration/cli/test_check.py",
    "integration/cli/test_terminated.py",
    "integration/conformance/test_conformance.py",
    "integration/conformance/test_new_cms_page.py",
    "integration/demo/test_library_page.py",
    "integration/queue/test_broker.py",
    "integration/queue/test_flower.py",
    "integration/queue/test_queue_real.py",
    "integration/system/test_parent_death.py",
    "integration/telemetry/test_metric_files.py",
    "integration/workers/decode/test_decode_formats.py",
    "integration/workers/decode/test_decode_hostile.py",
    "integration/workers/decode/test_decode_pool.py",
    "integration/workers/inference/test_engine_process.py",
    "integration/workers/pipeline/test_upload_priority.py",
    "integration/workers/roles/test_children_end.py",
    "integration/workers/roles/test_idle_worker_memory.py",
    "integration/workers/roles/test_large_worker.py",
    "integration/workers/roles/test_no_egress.py",
    "integration/workers/roles/test_no_other_program.py",
    "integration/workers/roles/test_roles.py",
    "integration/workers/roles/test_worker.py",
    "integration/workers/runtime/test_session_priority.py",
)


def allow(items: Iterable[pytest.Item], tests: PurePath) -> None:
    """Marks the tests that may run twice. `--reruns=0` shows the suite without second tries."""
    for item in items:
        if item.config.getoption("reruns") != 0 and may_try_again(item, tests):
            item.add_marker(pytest.mark.flaky(reruns=1))


def may_try_again(item: pytest.Item, tests: PurePath) -> bool:
    inside = PurePath(item.path).relative_to(tests)
    is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return not is_property and (inside.parts[0] in FOLDERS or inside.as_posix() in MODULES)


def tell(terminal: Any) -> None:
    """Prints each test that needed its second try, with its whole first failure."""
    failed = {report.nodeid for kind in ("failed", "error") for report in terminal.getreports(kind)}
    first = [report for report in terminal.getreports("rerun") if report.nodeid not in failed]
    if first:
        terminal.section(TITLE, sep="=", yellow=True, bold=True)
        for report in first:
            terminal.section(report.nodeid, sep="_", yellow=True)
            for line in _whole(report):
                terminal.write_line(line)


def _whole(report: pytest.TestReport) -> Iterator[str]:
    yield f"[{report.when}]"
    yield report.longreprtext
    for name, text in report.sections:
        yield f"--- {name} ---"
        yield text.rstrip("\n")
