"""Each panel of the dashboards gets data from a real Prometheus that scrapes a running stack; one alert fires for real."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from acceptance.house import House
from acceptance.pictures import png
from integration.worker_house import WorkerHouse
from ops_tools import CHART, ROOT, Prometheus, until

from tagger.settings import child_env
from tagger.system.home import free_port

DASHBOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((CHART / "dashboards").glob("*.json"))}
PANELS = {
    f"{name}: {panel['title']} ({panel['id']})": panel
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
}
NEEDS_A_GPU = {"GPU memory"}  # its metric exists only where torch uses a GPU
WAVE = 12  # images


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After two waves of images, each with a broken one. Both waves are scraped, so that rates can be computed."""
    folder = tmp_path_factory.mktemp("dashboards")
    house = House(folder / "home")
    server = Prometheus(folder / "prometheus", [house.stack.api_url.removeprefix("http://")])
    try:
        until(lambda: server.value('sum(tagger_worker_ready{lane="upload"})') == 1, "the stack is scraped")
        for wave in (1, 2):
            _send(house, wave)
            _until_scraped(server, wave)
        yield server
    finally:
        server.close()
        house.close()


def _send(house: House, wave: int) -> None:
    for number in range(WAVE):
        url = house.pictures.put(f"{wave}-{number}.png", png((wave * 40, number * 20, 90)))
        house.posted(f"a-{wave}-{number}", url, lane="upload" if number % 2 else "backfill")
    house.posted(f"broken-{wave}", house.pictures.put(f"broken-{wave}.png", b"not an image"))


def _until_scraped(server: Prometheus, wave: int) -> None:
    written = 'sum(tagger_field_outcomes_total{outcome="written"})'
    until(lambda: server.value("sum(tagger_verdicts_total)") >= wave * WAVE, "the images are described")
    until(lambda: server.value("max(tagger_dead_letters_open)") >= wave, "the broken image is known")
    until(lambda: server.value(written) >= wave * WAVE, "the texts are written")


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_has_data(prometheus: Prometheus, name: str) -> None:
    panel = PANELS[name]
    for target in panel["targets"]:
        values = prometheus.values(target["expr"].replace("$__rate_interval", "1m"))
        if panel["title"] in NEEDS_A_GPU:
            assert values == []
        else:
            assert any(math.isfinite(value) for value in values), f"{target['expr']}: {values}"


def test_the_figures_are_right(prometheus: Prometheus) -> None:
    """A query may return something and still be wrong."""
    shown = {
        panel["title"]: prometheus.value(panel["targets"][0]["expr"])
        for panel in DASHBOARDS["owner"]["panels"]
        if panel["type"] == "stat"
    }
    assert 0.7 * 2 * WAVE <= shown["Described in the last day"] <= 1.3 * 2 * WAVE  # increase() extrapolates
    assert shown["Coverage"] == pytest.approx(2 * WAVE / (2 * WAVE + 2))
    assert shown["Kept by editors"] == 0
    assert prometheus.value("sum(max by (kind) (tagger_dead_letters_open))") == 2
    assert prometheus.value('tagger_dead_letter_causes{code="image_unreadable",kind="job"}') == 2
    assert prometheus.value('sum(tagger_endpoint_attempts_total{site="site",result="delivered"})') >= 2 * WAVE


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_provisioned(name: str) -> None:
    dashboard = DASHBOARDS[name]
    [variable] = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for other in panels:
            assert other is panel or not _overlap(place, other["gridPos"]), (panel["title"], other["title"])
        if panel["type"] != "row":
            assert panel["description"].endswith((".", "`")), panel["title"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    )  # fmt: skip


class Roles:
    """Roles as processes of their own, as compose and Kubernetes start them, each with a metrics port."""

    def __init__(self, house: WorkerHouse) -> None:
        self.house = house
        self.addresses: list[str] = []

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        port = free_port()
        own = self.house.settings.model_copy(update={"metrics_port": port, "api_port": free_port()})
        with (self.house.home / f"{'-'.join(argv)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tagger", *argv], env=child_env(own), cwd=ROOT, stdout=log, stderr=log
            )
        self.house.processes.append(process)
        self.addresses.append(f"127.0.0.1:{port}")
        return process

    def ready(self) -> bool:
        try:
            return all(requests.get(f"http://{address}/readyz", timeout=5).status_code == 200 for address in self.addresses)
        except requests.ConnectionError:
            return False


def _impatient(folder: Path) -> list[Path]:
    """The real rules, but each fires as soon as it is true for two seconds."""
    made = []
    for file in sorted((CHART / "alerts").glob("*.yaml")):
        rules: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule["for"] = "2s"
        (folder / file.name).write_text(yaml.safe_dump(rules))
        made.append(folder / file.name)
    return made


def test_an_alert_fires_when_the_tag_worker_ends_and_is_over_when_it_is_back(tmp_path: Path) -> None:
    house = WorkerHouse(tmp_path / "house")
    server = None
    try:
        roles = Roles(house)
        for argv in (["api"], ["worker", "deliver"], ["worker", "reconcile"]):
            roles.start(*argv)
        worker = roles.start("worker", "tag", "--lane", "upload")
        house.until(roles.ready, "every role is ready", 90)
        server = Prometheus(tmp_path / "prometheus", roles.addresses, _impatient(tmp_path))
        until(lambda: server.value('max(tagger_workers{role="tag:upload"})') == 1, "Prometheus sees the worker")
        house.until(lambda: server.firing() == set(), "no alert fires in a healthy fleet")
        worker.terminate()
        assert worker.wait(30) == 0
        until(lambda: "TaggerTagWorkersMissing" in server.firing(), "the alert fires")
        assert server.firing() == {"TaggerTagWorkersMissing"}, "and it is the only one"
        roles.start("worker", "tag", "--lane", "upload")
        until(lambda: server.firing() == set(), "the alert is over", 90)
    finally:
        if server is not None:
            server.close()
        house.close()
