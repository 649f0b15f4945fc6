"""docker-compose.yml, for real: a person's first image, a CMS's hook, three kills, three workers, a new version under load.

The tests run in this order on one stack. A job counts as lost if it was accepted and no message about it arrives, and as written
twice if its asset changed twice in the CMS or if two different deliveries were made of it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from compose.stack import NEXT, PARTS, ROLES, Load, Stack, until

MIB = 1 << 20
DESCRIBED = 'tagger_jobs_total{lane="upload",status="described"}'
AFTER = 25  # uploads that were accepted when the fault comes


def tell(fault: str, **figures: object) -> None:
    """One line for each fault; COMPOSE_TEST_OUT=file collects them as JSON lines."""
    line = json.dumps({"fault": fault, **figures})
    print(line)
    if out := os.environ.get("COMPOSE_TEST_OUT"):
        with Path(out).open("a") as file:
            file.write(line + "\n")


def arrived(stack: Stack, assets: Sequence[str]) -> Callable[[], bool]:
    return lambda: set(assets) <= stack.received().keys()


def check_each_once(stack: Stack, assets: Sequence[str]) -> None:
    seen = stack.received()
    assert [asset for asset in assets if asset not in seen] == [], "lost"
    twice = {a: seen[a] for a in assets if seen[a]["writes"] > 1 or len(seen[a]["ids"]) != 1}
    assert twice == {}, "written twice"
    failed = [asset for asset in assets if seen[asset]["type"] != "asset.described"]
    assert failed == []


def survive(stack: Stack, name: str, fault: Callable[[], None], *, seconds: float = 180) -> None:
    """Uploads, the fault in the middle, more uploads; then each accepted image has exactly one message."""
    load = Load(stack, name)
    try:
        until(load.reached(AFTER), "the API accepts uploads")
        began = time.monotonic()
        fault()
        before = len(load.accepted)
        until(load.reached(before + 10), "uploads are accepted after the fault", seconds)
    finally:
        accepted = list(load.stop())
    until(arrived(stack, accepted), f"{name}: every accepted image arrives", seconds)
    took = time.monotonic() - began
    check_each_once(stack, accepted)
    tell(name, accepted=len(accepted), lost=0, written_twice=0, refused=len(load.refused), all_there_after_s=round(took, 1))


def prometheus(stack: Stack, query: str) -> int:
    """The one number that a query answers; 0: nothing yet."""
    _, body = stack.fetched(f"http://prometheus:9090/api/v1/query?query={quote(query)}")
    result = json.loads(body)["data"]["result"]
    return int(result[0]["value"][1]) if result else 0


def test_the_image_is_small_and_the_stack_comes_up_by_itself(stack: Stack) -> None:
    assert stack.image_bytes <= 600_000_000
    for service in (*ROLES, "redis", "postgres"):
        assert stack.healthy(service), service
    assert stack.inspect(stack.compose("ps", "-aq", "migrate").strip())["State"]["ExitCode"] == 0
    tell("start", image_mb=round(stack.image_bytes / 1e6), ready_after_s=round(stack.ready_seconds, 1))


def test_no_container_may_do_more_than_it_must(stack: Stack) -> None:
    secrets = [path.read_text().strip() for path in (stack.folder / "secrets").iterdir()]
    assert len(secrets) == 5
    for service in ROLES:
        shown = stack.inspect(stack.containers(service)[0])
        host = shown["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert shown["Config"]["User"] == "10001:10001", service
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert [s for s in secrets if s in json.dumps(shown)] == [], f"a secret of {service} can be seen from outside"
    for service in (*ROLES, *PARTS):
        ports = stack.inspect(stack.containers(service)[0])["HostConfig"]["PortBindings"] or {}
        assert bool(ports) == (service in ("api", "receiver")), f"{service} is published: {ports}"


def test_an_upload_and_a_signed_hook_come_back_as_words(stack: Stack) -> None:
    began = time.monotonic()
    assert stack.upload("by-upload", "sk_coffee.png") == 202
    assert stack.hook("by-hook", "sk_chelsea.png") == 202
    until(arrived(stack, ["by-upload", "by-hook"]), "both images are described")
    check_each_once(stack, ["by-upload", "by-hook"])
    seen = stack.received()
    assert seen["by-upload"]["tags"], "the words are in the CMS"
    assert seen["by-hook"]["tags"]
    tell("first images", accepted=2, all_there_after_s=round(time.monotonic() - began, 1))


def test_a_killed_worker_is_started_again_and_nothing_is_lost(stack: Stack) -> None:
    before = stack.inspect(stack.containers("tag-upload")[0])["RestartCount"]
    survive(stack, "worker killed", lambda: stack.kill("tag-upload"))
    until(lambda: stack.healthy("tag-upload"), "the worker is well again")
    assert stack.inspect(stack.containers("tag-upload")[0])["RestartCount"] == before + 1


def test_a_killed_broker_costs_time_and_no_job(stack: Stack) -> None:
    survive(stack, "broker killed", lambda: stack.kill("redis"))
    until(lambda: stack.healthy("redis"), "the broker is well again")


def test_a_killed_database_refuses_uploads_and_loses_none(stack: Stack) -> None:
    falls = {role: stack.inspect(stack.containers(role)[0])["RestartCount"] for role in ROLES}
    survive(stack, "PostgreSQL killed", lambda: stack.kill("postgres"))
    until(lambda: stack.healthy("postgres") and stack.healthy("api"), "the database is well again")
    assert {role: stack.inspect(stack.containers(role)[0])["RestartCount"] for role in ROLES} == falls, "no process ended"


def test_three_tag_workers_share_the_work_and_prometheus_sees_each(stack: Stack) -> None:
    stack.scale = 3
    stack.up("--no-recreate")
    assert len(stack.containers("tag-upload")) == 3
    assets = [f"scaled-{n}" for n in range(45)]
    assert {stack.upload(asset) for asset in assets} == {202}
    until(arrived(stack, assets), "all are described")
    check_each_once(stack, assets)

    until(
        lambda: prometheus(stack, 'sum(up{job="tagger"})') == 8,
        "Prometheus scrapes the API, five tag workers, deliver and reconcile",
    )
    until(lambda: prometheus(stack, f"count({DESCRIBED} > 0)") == 3, "each of the three described some")
    tell("scaled to 3", accepted=len(assets), lost=0, written_twice=0)


def test_flower_asks_for_its_password_and_finds_an_image_by_its_asset(stack: Stack) -> None:
    assert stack.upload("look-for-me") == 202
    until(arrived(stack, ["look-for-me"]), "it is described")
    assert stack.fetched("http://flower:5555/tasks")[0] == 401
    password = (stack.folder / "secrets" / "flower_password").read_text().strip()

    def found() -> bool:
        status, body = stack.fetched("http://flower:5555/api/tasks?search=look-for-me", "tagger", password)
        assert status == 200
        return [task["state"] for task in json.loads(body).values()] == ["SUCCESS"]

    until(found, "Flower shows the job of the asset")


def test_a_new_version_takes_over_under_load(stack: Stack) -> None:
    stack.scale = 1

    def roll() -> None:
        stack.image = NEXT
        stack.up()

    survive(stack, "rolled to a new image", roll, seconds=240)
    for role in ROLES:
        labels = stack.inspect(stack.containers(role)[0])["Config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == NEXT[-1], role


def test_the_database_is_backed_up_and_the_archive_grows(stack: Stack) -> None:
    """The commands of docs/compose.md."""
    size = stack.inside("postgres", "sh", "-c", "pg_basebackup -U tagger -D - -Ft -X fetch -c fast | wc -c")
    assert int(size) > 10 * MIB
    stack.inside("postgres", "psql", "-qU", "tagger", "-c", "SELECT pg_switch_wal()")
    until(lambda: int(stack.inside("postgres", "sh", "-c", "ls /archive | wc -l")) > 0, "the archive has a file")


def test_nothing_is_left_undone_and_nobody_told_a_secret(stack: Stack) -> None:
    status = json.loads(stack.inside("api", "tagger", "status", "--json"))
    undone = {name: count for name, count in status["jobs"].items() if name not in ("done", "superseded") and count}
    assert undone == {}
    assert json.loads(stack.inside("api", "tagger", "dead-letters", "list", "--json"))["data"] == []
    logs = stack.compose("logs", "--no-color")
    for path in (stack.folder / "secrets").iterdir():
        assert path.read_text().strip() not in logs, path.name
