"""The ports of a stack, each checked before a process asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from tagger.settings import Settings
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.process import Child
from tagger.system.home import check_port, free_port


def with_api_port(settings: Settings) -> Settings:
    """Errors: PortTaken."""
    port = settings.api_port or free_port()
    check_port(settings.api_host, port, "Choose another with --port, or end what listens there.")
    return settings.model_copy(update={"api_port": port})


def check_flower(plan: ProcessPlan) -> None:
    """Errors: PortTaken."""
    if plan.flower:
        check_port("127.0.0.1", plan.flower, "End what listens there, or leave Flower out.")


def give_metrics_ports(settings: Settings, children: Sequence[Child]) -> None:
    """Each worker its own port for its metrics, from `metrics_port` on, in the order of the plan. Errors: PortTaken."""
    if not settings.metrics_port:
        return
    workers = [child for child in children if child.name not in ("api", "flower")]
    for child, port in zip(workers, range(settings.metrics_port, 65536), strict=False):
        check_port(settings.metrics_host, port, f"It is for {child.name}: set another `metrics_port`, or end what listens there.")
        child.metrics_port = port
