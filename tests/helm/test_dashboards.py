"""Each panel of the dashboards gets data from a real Prometheus that scrapes a running stack."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest
from acceptance.house import House
from acceptance.pictures import png

from helm.ops_tools import CHART, Prometheus, until

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
