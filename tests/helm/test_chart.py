"""The chart by the real helm: it is valid for Kubernetes, and each pod that it makes can run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.repository.test_deploy_files import parses

from helm.chart import MATRIX, Manifest, container, env, helm, helm_template, of_kind, pods, rendered
from helm.ops_tools import CHART, ROOT, run
from tagger.settings import Settings, load

VALIDATE = ROOT / ".venv-ops" / "bin" / "kubernetes-validate"
CUSTOM = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}  # Kubernetes has no schema for these
SECRETS = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
every_set = pytest.mark.parametrize("name", MATRIX)


def test_helm_lint_finds_no_fault() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


@pytest.mark.parametrize("version", ["1.27.0", "1.37.0"])
def test_kubernetes_takes_every_manifest_of_every_set(version: str, tmp_path: Path) -> None:
    assert VALIDATE.exists(), "run `make helm-test`"
    made = [manifest for name in MATRIX for manifest in rendered(name) if manifest["apiVersion"] not in CUSTOM]
    own = list({json.dumps(manifest): manifest for manifest in made}.values())  # each once
    assert len(own) > 50
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(own))
    done = run(VALIDATE, "--strict", "-k", version, file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schemas_of_kubernetes_find_a_misspelt_field(tmp_path: Path) -> None:
    """So the test above can fail."""
    deployment = json.loads(json.dumps(of_kind("defaults", "Deployment")["api"]))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(deployment))
    assert run(VALIDATE, "--strict", tmp_path / "wrong.yaml").returncode != 0


@every_set
def test_names_are_unique_and_every_manifest_has_its_labels(name: str) -> None:
    keys = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(name)]
    assert len(set(keys)) == len(keys)
    for manifest in rendered(name):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "live"


@every_set
def test_every_pod_passes_the_restricted_standard(name: str) -> None:
    for role, pod in pods(name).items():
        own = container(pod)["securityContext"]
        assert own["allowPrivilegeEscalation"] is False, role
        assert own["capabilities"] == {"drop": ["ALL"]}, role
        assert own["runAsNonRoot"] is True, role
        assert own["runAsUser"] > 0, role
        assert own["readOnlyRootFilesystem"] is True, role
        assert own["seccompProfile"] == pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, role
        assert pod["securityContext"]["runAsNonRoot"] is True, role
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys(), role
        kinds = {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}}
        assert kinds <= {"emptyDir", "secret", "persistentVolumeClaim", "configMap", "projected"}, role
        assert pod["automountServiceAccountToken"] is False, role


@every_set
def test_every_command_exists_and_its_environment_makes_settings(name: str, tmp_path: Path) -> None:
    """The settings are loaded as the program loads them; each secret from a file of the pod's volume."""
    for role, pod in pods(name).items():
        assert parses(container(pod)["args"]), role
        variables = env(pod)
        files = {text for key, text in variables.items() if key.endswith("_FILE")}
        [volume] = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
        assert files == {f"/run/secrets/tagger/{item['path']}" for item in volume["items"]}, role
        for key, text in variables.items():
            if key.endswith("_FILE"):
                secret = tmp_path / f"{role}-{Path(text).name}"
                secret.write_text(
                    "redis://r:6379/0" if "broker_url" in text else "postgresql://h/d" if "ledger_url" in text else "s"
                )
                variables[key] = str(secret)
        made = load(variables)
        assert made.metrics_port == 9400, role
        assert made.metrics_host == "0.0.0.0", role


@every_set
def test_no_secret_is_in_an_environment_or_an_argument(name: str) -> None:
    for role, pod in pods(name).items():
        assert not {f"TAGGER_{secret.upper()}" for secret in SECRETS} & env(pod).keys(), role
        for text in [*env(pod).values(), *container(pod)["args"]]:
            assert not re.search(r"://[^/@\s]*:[^/@\s]+@", text), f"{role}: {text}"


@pytest.mark.parametrize(
    ("role", "secrets"),
    [
        ("api", {"ledger_password", "broker_password", "admin_key", "s3_access_key", "s3_secret_key"}),
        ("tag-upload", {"ledger_password", "broker_password", "s3_access_key", "s3_secret_key"}),
        ("deliver", {"ledger_password", "events_secret"}),
        ("migrate", {"ledger_password"}),
        ("flower", {"broker_password", "flower_password"}),
    ],
)
def test_a_pod_gets_only_the_secrets_that_its_role_needs(role: str, secrets: set[str]) -> None:
    [volume] = [volume["secret"] for volume in pods("everything")[role]["volumes"] if volume["name"] == "secrets"]
    assert {item["path"] for item in volume["items"]} == secrets


def _probes(pod: Manifest) -> dict[str, tuple[str, int]]:
    only = container(pod)
    ports = {port["name"]: port["containerPort"] for port in only.get("ports", [])}
    return {
        kind: (only[kind]["httpGet"]["path"], ports[only[kind]["httpGet"]["port"]])
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        if kind in only
    }


@every_set
def test_probes_ask_ports_that_the_role_opens_and_liveness_never_asks_for_the_broker(name: str) -> None:
    """tests/integration/workers/roles/test_roles.py shows that a role answers these paths."""
    for role, pod in pods(name).items():
        if role == "migrate":
            assert _probes(pod) == {}
        elif role == "api":
            assert _probes(pod) == {
                "startupProbe": ("/healthz", 8400), "readinessProbe": ("/readyz", 8400), "livenessProbe": ("/healthz", 8400),
            }  # fmt: skip
        elif role == "flower":
            assert set(_probes(pod).values()) == {("/healthcheck", 5555)}
        else:
            assert _probes(pod) == {
                "startupProbe": ("/startupz", 9400), "readinessProbe": ("/readyz", 9400), "livenessProbe": ("/livez", 9400),
            }  # fmt: skip


@every_set
def test_a_pod_has_time_to_end_and_room_to_write(name: str) -> None:
    for role, pod in pods(name).items():
        assert pod["terminationGracePeriodSeconds"] >= 45, role
        mounts = {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}
        assert {"/tmp", "/var/lib/tagger"} <= mounts.keys(), role
        assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}, role
        home = next(volume for volume in pod["volumes"] if volume["name"] == "home")
        shares = name != "everything" and (role.startswith("tag-") or role in ("api", "reconcile"))
        assert ("persistentVolumeClaim" in home) is shares, role
    assert name != "everything" or pods(name)["deliver"]["terminationGracePeriodSeconds"] == 80


@every_set
def test_every_claim_and_every_selector_leads_to_something(name: str) -> None:
    claims = {manifest["metadata"]["name"] for manifest in rendered(name) if manifest["kind"] == "PersistentVolumeClaim"}
    used = {
        v["persistentVolumeClaim"]["claimName"]
        for pod in pods(name).values()
        for v in pod["volumes"]
        if len(v) > 1 and "persistentVolumeClaim" in v
    }
    assert claims <= used
    assert used - claims <= {"weights", "shared"}
    labels = [made["spec"]["template"]["metadata"]["labels"] for made in of_kind(name, "Deployment").values()]
    for manifest in rendered(name):
        spec = manifest.get("spec", {})
        selector = {
            "Service": lambda s: s["selector"], "PodDisruptionBudget": lambda s: s["selector"]["matchLabels"],
            "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"], "Deployment": lambda s: s["selector"]["matchLabels"],
        }.get(manifest["kind"])  # fmt: skip
        if selector:
            assert any(selector(spec).items() <= found.items() for found in labels), manifest["metadata"]["name"]


def test_a_worker_on_a_gpu_has_the_gpu_its_image_its_weights_and_time_to_load() -> None:
    for role, pod in pods("one-gpu-lane-without-keda").items():
        only, gpu = container(pod), role == "tag-upload"
        assert ("nvidia.com/gpu" in only["resources"]["limits"]) is gpu, role
        assert only["image"] == ("tagger-gpu:0.2.0" if gpu else "tagger:0.2.0")
        assert any(key.get("key") == "nvidia.com/gpu" for key in pod.get("tolerations", [])) is gpu
        assert ("/models" in {mount["mountPath"] for mount in only["volumeMounts"]}) is gpu
        if role.startswith("tag-"):
            assert env(pod)["TAGGER_CAPTION"] == ("ofa" if gpu else "lite")
            startup = only["startupProbe"]
            assert startup["periodSeconds"] * startup["failureThreshold"] == (1800 if gpu else 300)


def test_with_keda_each_lane_follows_the_ledger_and_the_api_its_requests() -> None:
    scaled = of_kind("keda-without-gpu", "ScaledObject")
    assert set(scaled) == {"api", "tag-upload", "tag-backfill", "tag-solo"}
    assert of_kind("keda-without-gpu", "HorizontalPodAutoscaler") == {}
    api = scaled["api"]["spec"]
    assert (api["minReplicaCount"], api["maxReplicaCount"]) == (2, 8)
    cpu, rate = api["triggers"]
    assert (cpu["type"], cpu["metricType"], cpu["metadata"]) == ("cpu", "Utilization", {"value": "70"})
    assert rate["metadata"]["threshold"] == "50"
    for lane, least in (("upload", 1), ("backfill", 0), ("solo", 0)):
        spec = scaled[f"tag-{lane}"]["spec"]
        assert spec["scaleTargetRef"]["name"] == of_kind("keda-without-gpu", "Deployment")[f"tag-{lane}"]["metadata"]["name"]
        assert spec["minReplicaCount"] == least
        queries = [trigger["metadata"]["query"] for trigger in spec["triggers"]]
        assert queries == [
            f'max(tagger_lane_claimable{{lane="{lane}",namespace="media"}})',
            f'max(tagger_lane_oldest_seconds{{lane="{lane}",namespace="media"}})',
        ]
        assert [trigger["metricType"] for trigger in spec["triggers"]] == ["AverageValue", "Value"]


def test_without_keda_the_processor_decides_and_no_lane_is_empty() -> None:
    scaled = of_kind("one-gpu-lane-without-keda", "HorizontalPodAutoscaler")
    assert set(scaled) == {"api", "tag-backfill", "tag-solo"}, "the processor says nothing about a GPU"
    assert {made["spec"]["minReplicas"] for made in scaled.values()} == {1, 2}
    assert scaled["api"]["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


@every_set
def test_a_deployment_has_a_number_of_pods_or_something_that_scales_it(name: str) -> None:
    """Both at once fight each other at every upgrade."""
    scaled = of_kind(name, "HorizontalPodAutoscaler", "ScaledObject")
    for role, made in of_kind(name, "Deployment").items():
        assert ("replicas" in made["spec"]) is (role not in scaled), role


def test_the_ledger_is_migrated_before_each_version() -> None:
    [job] = of_kind("defaults", "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert container(job["spec"]["template"]["spec"])["args"] == ["migrate", "--wait", "120"]
    assert "serviceAccountName" not in job["spec"]["template"]["spec"], "the account is made after this hook"


def test_the_rules_and_dashboards_are_the_files_that_compose_mounts() -> None:
    [rules] = of_kind("everything", "PrometheusRule").values()
    files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((CHART / "alerts").glob("*.yaml"))]
    text = json.dumps([group for file in files for group in file["groups"]])
    assert rules["spec"]["groups"] == json.loads(text.replace("https://tagger.dev/docs/runbook/", "https://wiki.example/runbook"))
    [dashboards] = of_kind("everything", "ConfigMap").values()
    shown = {key: json.loads(value) for key, value in dashboards["data"].items()}
    assert shown == {f"tagger-{p.name}": json.loads(p.read_text("utf-8")) for p in (CHART / "dashboards").glob("*.json")}
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_a_policy_stands_before_every_pod_that_stays() -> None:
    policies = of_kind("everything", "NetworkPolicy")
    assert policies.keys() == of_kind("everything", "Deployment").keys()
    reached = {
        role: [peer["port"] for rule in made["spec"]["ingress"] for peer in rule["ports"]] for role, made in policies.items()
    }
    assert reached.pop("api") == ["http", "metrics"]
    assert reached.pop("flower") == ["flower"]
    assert set(map(tuple, reached.values())) == {("metrics",)}
    left = [rule for rule in policies["flower"]["spec"]["egress"] if "to" in rule]
    assert left == [], "Flower calls no CMS"


def test_a_pod_may_reach_the_ports_that_its_settings_name() -> None:
    """The deliverer does not use the bucket. `events_url` names no port here."""
    without, named = of_kind("defaults", "NetworkPolicy"), of_kind("everything", "NetworkPolicy")
    reached = {role: _ports(made) - _ports(without.get(role, made)) for role, made in named.items()}
    assert reached.pop("deliver") == {4318}
    assert reached.pop("flower") == set()
    assert set(map(frozenset, reached.values())) == {frozenset({9000, 4318})}


def _ports(policy: Manifest) -> set[int]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


REFUSED = {
    "ledger-password": ("{ledger: {url: 'postgresql://tagger:word@db/tagger'}}", "/ledger/url"),
    "broker-password": ("{broker: {url: 'redis://:word@redis:6379/0'}}", "/broker/url"),
    "secret-setting": ("{settings: {admin_key: word}}", "admin_key"),
    "no-setting": ("{settings: {windw: 3}}", "windw"),
    "no-lane": ("{gpu: {lanes: [uploads]}}", "/gpu/lanes/0"),
    "short-grace": ("{terminationGracePeriodSeconds: 10}", "/terminationGracePeriodSeconds"),
    "no-secret": ("{secrets: {existingSecret: ''}}", "/secrets/existingSecret"),
    "no-value": ("{apii: {}}", "apii"),
    "no-store": ("{home: {shared: false}}", "settings.blob_url"),
    "half-a-key": ("{secrets: {keys: {s3AccessKey: a}}}", "s3SecretKey"),
    "no-host": ("{ingress: {enabled: true}}", "ingress.hosts names at least one host"),
}


@pytest.mark.parametrize(("values", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_values_that_cannot_work_are_refused_by_name(values: str, complaint: str) -> None:
    with pytest.raises(AssertionError) as refused:
        helm_template(values)
    assert complaint in str(refused.value)


def test_the_schema_knows_every_value() -> None:
    schema: Any = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert schema["properties"].keys() - {"global"} == yaml.safe_load((CHART / "values.yaml").read_text("utf-8")).keys()


def test_no_setting_can_be_given_that_the_chart_sets_itself() -> None:
    """Its variable would be in a pod twice. tests/unit/repository/test_deploy_files.py shows that no other setting is missing."""
    schema: Any = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    free = set(schema["properties"]["settings"]["propertyNames"]["enum"])
    given = set(yaml.safe_load(MATRIX["everything"])["settings"])
    sets = {
        name.removeprefix("TAGGER_").removesuffix("_FILE").lower() for pod in pods("everything").values() for name in env(pod)
    }
    assert free & sets == given
    assert not free & SECRETS
