"""Every container that the Helm chart renders runs once in Docker: its command, environment, secrets, user, read-only root and
probes. What Kubernetes itself does (scheduling, policies, volumes of a cluster) is not tested here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helm.chart import Manifest, container, env, pods

from compose.stack import FIRST, Stack, until

VALUES = "default-with-flower"
ROLES = ("api", "tag-upload", "tag-backfill", "tag-solo", "deliver", "reconcile", "flower")
NETWORK = "tagger-pods-test"
HOME = f"{NETWORK}-home"
USER = 10001
PASSWORD = "p@ss:/word"
SECRETS = {"ledger_password": PASSWORD, "broker_password": PASSWORD, "admin_key": "operator", "flower_password": "flower"}
ASK = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)"


@dataclass(frozen=True, kw_only=True)
class Pods:
    """A network in which PostgreSQL and Redis have the names of values.yaml, and one container for each pod."""

    stack: Stack
    secrets: Path

    def docker(self, *argv: str, check: bool = True) -> str:
        return self.stack.run("docker", *argv, check=check).strip()

    def start(self, role: str) -> str:
        """Starts what the pod says, as a kubelet reads it. Returns the id of the container."""
        pod = pods(VALUES)[role]
        own = container(pod)["securityContext"]
        assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
        options = ["--user", f"{own['runAsUser']}:{own['runAsGroup']}", "--cap-drop", *own["capabilities"]["drop"]]
        options += ["--read-only", "--security-opt", "no-new-privileges", "--name", f"{NETWORK}-{role}"]
        options += ["--memory", container(pod)["resources"]["limits"]["memory"].removesuffix("i").lower()]
        for name, value in env(pod).items():
            options += ["-e", f"{name}={value}"]
        return self.docker("run", "-d", "--network", NETWORK, *options, *self._mounts(pod), FIRST, *container(pod)["args"])

    def _mounts(self, pod: Manifest) -> list[str]:
        volumes, options = {volume["name"]: volume for volume in pod["volumes"]}, []
        for mount in container(pod)["volumeMounts"]:
            volume, path = volumes[mount["name"]], mount["mountPath"]
            if "emptyDir" in volume:
                options += ["--tmpfs", f"{path}:uid={USER},gid={USER},mode=1777"]
            elif "persistentVolumeClaim" in volume:
                options += ["-v", f"{HOME}:{path}"]
            else:
                for item in volume["secret"]["items"]:
                    options += ["-v", f"{self.secrets / item['key']}:{path}/{item['path']}:ro"]
        return options

    def logs(self, role: str) -> str:
        return self.docker("logs", "--tail", "40", f"{NETWORK}-{role}", check=False)

    def state(self, role: str, name: str) -> str:
        return self.docker("inspect", "-f", f"{{{{.State.{name}}}}}", f"{NETWORK}-{role}")

    def passes(self, role: str, probe: Manifest) -> bool:
        """Whether the probe succeeds; True also for a container that ended, which the caller sees next."""
        ports = {port["name"]: port["containerPort"] for port in container(pods(VALUES)[role])["ports"]}
        asked = probe["httpGet"]
        address = f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}"
        answered = self.docker("exec", f"{NETWORK}-{role}", "sh", "-c", f"python -c '{ASK}' {address} && echo yes", check=False)
        return answered.endswith("yes") or self.state(role, "Running") == "false"

    def remove(self) -> None:
        for name in self.docker("ps", "-aq", "--filter", f"name={NETWORK}", check=False).split():
            self.docker("rm", "-f", "-v", name, check=False)
        self.docker("volume", "rm", "-f", HOME, check=False)
        self.docker("network", "rm", NETWORK, check=False)


@pytest.fixture(scope="module")
def running(images: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """A migrated ledger, and every pod, all started at once."""
    folder = tmp_path_factory.mktemp("secrets")
    for name, text in SECRETS.items():
        (folder / name).write_text(text + "\n")
        os.chown(folder / name, 0, USER)  # as `fsGroup` does it
        (folder / name).chmod(0o440)
    made = Pods(stack=images, secrets=folder)
    made.remove()  # of an earlier run that was killed
    try:
        _databases(made)
        migrate = made.start("migrate")
        assert made.docker("wait", migrate) == "0", made.logs("migrate")
        for role in ROLES:
            made.start(role)
        yield made
    finally:
        made.remove()


def _databases(made: Pods) -> None:
    made.docker("network", "create", NETWORK)
    (made.secrets / "of-postgres").write_text(PASSWORD)
    settings = ["POSTGRES_USER=tagger", "POSTGRES_DB=tagger", "POSTGRES_PASSWORD_FILE=/password"]
    options = [word for setting in settings for word in ("-e", setting)]
    started = ["run", "-d", "--network", NETWORK]
    made.docker(
        *started, "--name", f"{NETWORK}-postgresql", "--network-alias", "postgresql", *options,
        "-v", f"{made.secrets / 'of-postgres'}:/password:ro", "postgres:15-bookworm",
    )  # fmt: skip
    made.docker(
        *started, "--name", f"{NETWORK}-redis", "--network-alias", "redis", "redis:7-bookworm",
        "redis-server", "--requirepass", PASSWORD,
    )  # fmt: skip


def test_the_chart_has_no_other_pod() -> None:
    assert set(pods(VALUES)) == {*ROLES, "migrate"}


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_starts_answers_its_probes_and_ends_within_its_time(role: str, running: Pods) -> None:
    pod = pods(VALUES)[role]
    probes = [name for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in container(pod)]
    assert "livenessProbe" in probes
    for name in probes:
        until(lambda name=name: running.passes(role, container(pod)[name]), f"{role} passes its {name}", 240)  # type: ignore[misc]
    assert running.state(role, "Running") == "true", running.logs(role)
    assert running.docker("exec", f"{NETWORK}-{role}", "id", "-u") == str(USER)
    assert "Read-only file system" in running.docker(
        "exec", f"{NETWORK}-{role}", "sh", "-c", "touch /opt/x /usr/x 2>&1 || true", check=False
    )
    if "lifecycle" in container(pod):
        running.docker("exec", f"{NETWORK}-{role}", *container(pod)["lifecycle"]["preStop"]["exec"]["command"])
    began, grace = time.monotonic(), pod["terminationGracePeriodSeconds"]
    running.docker("stop", "--time", str(grace), f"{NETWORK}-{role}")
    assert running.state(role, "ExitCode") == "0", running.logs(role)
    assert time.monotonic() - began < grace
