"""The chart, rendered by the real helm."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from helm.ops_tools import CHART, run, tool

Manifest = dict[str, Any]

FULL = """
gpu: {lanes: [upload, backfill, solo], runtimeClassName: nvidia, nodeSelector: {gpu: h100}}
models: {mirrorClaim: weights}
flower: {enabled: true}
keda: {enabled: true}
ingress: {enabled: true, className: nginx, hosts: [tagger.example], tls: [{secretName: tls, hosts: [tagger.example]}]}
monitoring:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  rules: {enabled: true, runbook: "https://wiki.example/runbook"}
  dashboards: {enabled: true}
broker: {url: "sentinel://a:26379/0;sentinel://b:26379/0"}
secrets: {keys: {eventsSecret: events_secret, s3AccessKey: s3_access_key, s3SecretKey: s3_secret_key}}
home: {shared: false}
settings:
  blob_url: s3://pictures/tagger
  s3_endpoint: https://s3.example.internal:9000
  trace_url: http://collector.monitoring:4318/v1/traces
  trace_ratio: 0.05
  deliver_seconds: 60
  events_url: https://ops.example/tagger
  events_private: true
  max_body_bytes: 33554432
networkPolicy: {flowerFrom: [{podSelector: {}}], apiFrom: [{namespaceSelector: {}}]}
podAnnotations: {note: text}
imagePullSecrets: [{name: registry}]
"""
MATRIX = {
    "defaults": "{}",
    "default-with-flower": "{flower: {enabled: true}}",
    "everything": FULL,
    "one-gpu-lane-without-keda": "{gpu: {lanes: [upload]}, models: {pull: false}}",
    "keda-without-gpu": "{keda: {enabled: true}, monitoring: {serviceMonitor: {enabled: true}}}",
    "urls-from-the-secret": "{secrets: {keys: {ledgerUrl: ledger_url, brokerUrl: broker_url, adminKey: ''}}}",
    "no-autoscaling": """
api: {autoscaling: {enabled: false}}
tag:
  lanes:
    upload: {autoscaling: {enabled: false}}
    backfill: {autoscaling: {enabled: false}}
    solo: {autoscaling: {enabled: false}}
""",
    "little": """
networkPolicy: {enabled: false}
podDisruptionBudget: {enabled: false}
migrate: {enabled: false}
home: {existingClaim: shared}
broker: {url: "redis://redis:6379/0"}
secrets: {existingSecret: other, keys: {brokerPassword: ''}}
fullnameOverride: t
""",
}


def helm(*argv: str | Path) -> str:
    """Its output. Errors: AssertionError with what it complains of."""
    with TemporaryDirectory() as folder:
        os.environ.update({f"HELM_{name}_HOME": folder for name in ("CACHE", "CONFIG", "DATA")})
        done = run(tool("helm"), *argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def helm_template(values: str, *argv: str) -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(values)
        return helm("template", "live", CHART, "--namespace", "media", "--values", file, *argv)


@functools.cache
def rendered(name: str) -> tuple[Manifest, ...]:
    """The manifests for a set of values of the matrix."""
    return tuple(manifest for manifest in yaml.safe_load_all(helm_template(MATRIX[name])) if manifest)


def of_kind(name: str, *kinds: str) -> dict[str, Manifest]:
    """By component: api, tag-upload …"""
    return {
        manifest["metadata"]["labels"]["app.kubernetes.io/component"]: manifest
        for manifest in rendered(name)
        if manifest["kind"] in kinds
    }


def pods(name: str) -> dict[str, Manifest]:
    """The specification of each pod, by component."""
    return {role: made["spec"]["template"]["spec"] for role, made in of_kind(name, "Deployment", "Job").items()}


def container(pod: Manifest) -> Manifest:
    [only] = pod["containers"]
    assert isinstance(only, dict)
    return only


def env(pod: Manifest) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(pod)["env"]}
