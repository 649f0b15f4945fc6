"""The files for operators (systemd, compose, Dockerfile): each command and each setting exists, and the parts fit together."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import typer
import yaml

from tagger.cli.main import app
from tagger.settings import Settings

ROOT = Path(__file__).parents[3]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
WHERE = "/opt/tagger/bin/tagger"


def parses(command: list[str]) -> bool:
    """Whether `tagger …` takes these arguments; nothing is run."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    name, chosen, rest = group.resolve_command(typer.Context(group), command)
    assert chosen is not None
    chosen.make_context(name, rest)
    return True


def settings_named(text: str) -> set[str]:
    named = set(re.findall(r"\bTAGGER_([A-Z_]+)=", text))
    return {name.lower().removesuffix("_file") for name in named}


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_calls_a_command_and_names_settings_that_exist(unit: Path) -> None:
    text = unit.read_text("utf-8")
    [command] = re.findall(r"^ExecStart=(.+)$", text, flags=re.M)
    program, *arguments = shlex.split(command)
    assert program == WHERE
    assert parses(arguments)
    assert settings_named(text) <= Settings.model_fields.keys()


def test_the_example_of_an_environment_names_settings_that_exist() -> None:
    named = settings_named((ROOT / "deploy" / "systemd" / "tagger.env.example").read_text("utf-8"))
    assert named
    assert named <= Settings.model_fields.keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """With a program that is there: the real one is installed only on the machine of an operator."""
    for file in (ROOT / "deploy" / "systemd").glob("tagger*.*"):
        (tmp_path / file.name).write_text(file.read_text("utf-8").replace(WHERE, "/bin/true"))
    whole = [str(path) for path in tmp_path.iterdir() if path.suffix in (".service", ".target") and "@" not in path.name]
    whole += [str(tmp_path / path.name.replace("@", "@3")) for path in UNITS if "@" in path.name]
    done = subprocess.run(["systemd-analyze", "verify", *whole], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: made for name, made in SERVICES.items() if str(made.get("image", "")).startswith("${TAGGER")}
SCRAPED = {"api", "tag-upload", "tag-backfill", "tag-solo", "deliver", "reconcile"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_calls_a_command_and_names_settings_that_exist(name: str) -> None:
    service = OURS[name]
    assert parses([str(part) for part in service["command"]])
    named = {key.removeprefix("TAGGER_").removesuffix("_FILE").lower() for key in service["environment"]}
    assert named <= Settings.model_fields.keys()
    files = {value.removeprefix("/run/secrets/") for value in service["environment"].values() if str(value).startswith("/run/")}
    assert files == set(service["secrets"]), "each secret that it gets has its setting, and the reverse"


def test_every_role_runs_whatever_the_profile() -> None:
    for profile in ("cpu", "gpu"):
        commands = [" ".join(s["command"]) for s in OURS.values() if profile in s.get("profiles", [profile])]
        for role in ("api", "worker deliver", "worker reconcile", "flower --address 0.0.0.0", "migrate --wait 120"):
            assert commands.count(role) == 1, (profile, role)
        assert sorted(c.split()[-1] for c in commands if c.startswith("worker tag")) == ["backfill", "solo", "upload"]


def test_only_the_api_is_published_and_every_part_restarts() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]
    assert {name for name, service in SERVICES.items() if service["restart"] != "unless-stopped"} == {"migrate"}
    for name, service in OURS.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert re.fullmatch(r"\d+s", service["stop_grace_period"]), name


def test_the_services_start_in_order() -> None:
    for name, service in OURS.items():
        needs = {part: need["condition"] for part, need in service["depends_on"].items()}
        if name == "migrate":
            assert needs == {"postgres": "service_healthy"}
        elif name == "flower":
            assert needs == {"redis": "service_healthy"}
        else:
            assert needs == {"migrate": "service_completed_successfully", "redis": "service_healthy"}, name
    assert "healthcheck" in SERVICES["postgres"]
    assert "healthcheck" in SERVICES["redis"]


def test_every_variable_of_the_compose_file_has_a_default_and_those_of_the_example_are_used() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert re.findall(r"\$\{\w+\}", text) == []
    used = set(re.findall(r"\$\{(\w+):-", text)) | {"COMPOSE_PROFILES"}
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text("utf-8"), flags=re.M)
    assert set(example) <= used


def test_every_file_that_is_mounted_is_here() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), f"{name} mounts {source}"
            assert source.startswith(".") or source in COMPOSE["volumes"]


def test_the_secrets_are_those_that_are_made(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "compose" / "make-secrets.sh"
    for _ in range(2):
        subprocess.run(["sh", script, tmp_path / "secrets"], check=True)
        made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[\w-]{32}\n", text) for text in made.values()), "no comma, blank or slash"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    kept = (tmp_path / "secrets" / "admin_key").read_text()
    subprocess.run(["sh", script, tmp_path / "secrets"], check=True)
    assert (tmp_path / "secrets" / "admin_key").read_text() == kept


def test_prometheus_finds_every_role() -> None:
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    [names] = [discovery["names"] for job in jobs for discovery in job.get("dns_sd_configs", [])]
    assert set(names) == SCRAPED
    assert set(names) <= SERVICES.keys()


def test_the_page_shows_who_tells_of_an_alert() -> None:
    """The files here start no Alertmanager, so the page has one: what it names for Prometheus is a service that it adds."""
    page = (ROOT / "docs" / "compose.md").read_text("utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.S)]
    added = {name for block in blocks for name in block.get("services", {})}
    [alerting] = [block["alerting"] for block in blocks if "alerting" in block]
    [address] = alerting["alertmanagers"][0]["static_configs"][0]["targets"]
    assert address.partition(":")[0] in added


def test_no_page_puts_a_password_into_a_command_line() -> None:
    """Every user of the machine can read the arguments of a process."""
    for page in (ROOT / "docs").glob("*.md"):
        assert not re.search(r"PASSWORD '", page.read_text("utf-8")), page.name


def test_no_label_that_prometheus_adds_hides_one_of_our_metrics() -> None:
    """Prometheus would rename ours to `exported_role`, and the alert on missing workers would fire for ever."""
    ours = set(
        re.findall(
            r"`(\w+)`", "".join(re.findall(r"^\|[^|]+\|[^|]+\|([^|]*)\|", (ROOT / "docs" / "metrics.md").read_text(), flags=re.M))
        )
    )
    assert {"role", "lane", "site"} <= ours
    compose = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8")
    chart = (ROOT / "helm" / "tagger" / "templates" / "monitoring.yaml").read_text("utf-8")
    added = set(re.findall(r"target_?[lL]abel: (\w+)", compose + chart))
    assert added
    operator = {"job", "instance", "namespace", "pod", "container", "service", "endpoint"}  # of every ServiceMonitor
    assert not ours & (added | operator)


def test_the_image_has_the_version_the_lock_and_the_torch_of_the_project() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    [version] = re.findall(r'^version = "(.+)"', project, flags=re.M)
    assert re.findall(r"^ARG VERSION=(.+)$", dockerfile, flags=re.M) == [version, version]
    [torch] = re.findall(r"install (torch==[\d.]+)", dockerfile)
    assert f'"{torch}"' in project
    pins = [dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), flags=re.M)) for name in LOCKS]
    image, dev = pins
    assert {name: at for name, at in image.items() if dev.get(name) != at} == {}, "the image runs what is tested"
    assert "psycopg" in image


LOCKS = ("image.lock", "dev.lock")


# Settings that other values of the chart make, that are fixed in a pod, or that only `tagger up` has. It has no remote model.
OF_THE_CHART = {
    "home", "api_host", "api_port", "metrics_host", "metrics_port", "ledger_url", "ledger_password", "broker_url",
    "broker_password", "admin_key", "events_secret", "flower_password", "s3_access_key", "s3_secret_key",
    "caption", "embed", "check", "model_dir",
    "model_mirror", "model_pull", "blob_dir", "log_file_bytes", "tag_processes",
    "openai_url", "openai_model", "openai_key", "openai_private", "openai_log_probs", "openai_requests", "openai_seconds",
}  # fmt: skip


def test_the_chart_takes_every_other_setting() -> None:
    schema = json.loads((ROOT / "helm" / "tagger" / "values.schema.json").read_text("utf-8"))
    free = set(schema["properties"]["settings"]["propertyNames"]["enum"])
    assert free == Settings.model_fields.keys() - OF_THE_CHART, "a new setting: add it to the `settings` of values.schema.json"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_command_for_systemd_has_the_settings_and_secrets_of_the_units() -> None:
    """An operator calls `tagger sites add` beside units whose secrets only root can read."""
    folder = Path(tempfile.mkdtemp(prefix="command-"))  # the other user can enter it, unlike pytest's
    try:
        folder.chmod(0o755)
        (folder / "secrets").mkdir()
        (folder / "tagger.env").write_text("TAGGER_HOME=/somewhere\nTAGGER_LEDGER_URL=postgresql://tagger@db/tagger\n")
        (folder / "secrets" / "ledger_password").write_text("pass word\n")
        program = folder / "program"
        program.write_text('#!/bin/sh\necho "$(id -un)|$TAGGER_HOME|$TAGGER_LEDGER_PASSWORD|${TAGGER_BROKER_PASSWORD-none}|$*"\n')
        program.chmod(0o755)
        script = (ROOT / "deploy" / "systemd" / "tagger-command").read_text("utf-8")
        script = script.replace("/etc/tagger", str(folder)).replace(WHERE, str(program)).replace("-u tagger", "-u nobody")
        done = subprocess.run(["sh", "-c", script, "tagger", "sites", "list"], capture_output=True, text=True, check=True)
    finally:
        shutil.rmtree(folder)
    assert done.stdout == "nobody|/somewhere|pass word|none|sites list\n"


def test_the_bucket_of_compose_reaches_every_role_that_reads_or_writes_uploaded_bytes() -> None:
    added = yaml.safe_load((ROOT / "deploy" / "compose" / "bucket.yml").read_text("utf-8"))
    roles = {name for name in COMPOSE["services"] if name in ("api", "reconcile") or name.startswith("tag-")}
    assert set(added["services"]) == roles
    for service in added["services"].values():
        named = {name.removeprefix("TAGGER_").removesuffix("_FILE").lower() for name in service["environment"]}
        assert named == {"blob_url", "s3_endpoint", "s3_region", "s3_access_key", "s3_secret_key"}
        assert {f"/run/secrets/{name}" for name in service["secrets"]} < set(service["environment"].values())
        assert set(service["secrets"]) == set(added["secrets"])
