"""`tagger audit-log list` after the commands of an operator's day: who, when, what, and never a secret."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient
from support.ledger_cases.world import World

from acceptance.house import called, told
from tagger.api.app import create_app
from tagger.settings import load


def test_what_an_operator_does_stands_in_the_audit_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    site = told("sites", "add", "blog", "--endpoint", "http://127.0.0.1:9/", "--allow-private", home=home)
    key = told("keys", "create", "--site", "blog", "--name", "wordpress", home=home)
    fresh = told("sites", "rotate", "blog", "--callback", home=home)
    called("sites", "rotate", "blog", "--callback", "--finish", home=home)
    called("sites", "set", "blog", "--locale", "de", home=home)
    called("sites", "pause", "blog", "--writes", home=home)
    called("sites", "resume", "blog", home=home)
    called("sites", "pause", "nobody", "--writes", home=home)  # refused
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"no picture")
    backfill = told("backfill", "start", "--folder", str(tmp_path / "pictures"), "--site", "blog", home=home)["id"]
    for verb in ("pause", "resume", "cancel"):
        called("backfill", verb, backfill, home=home)
    called("purge", "--site", "blog", "--asset", "4711", "--yes", home=home)
    called("purge", "--site", "blog", "--dry-run", home=home)  # changes nothing
    called("keys", "revoke", key["id"], home=home)

    entries = told("audit-log", "list", home=home)["data"]
    assert [entry["action"] for entry in reversed(entries)] == [
        "site.added", "key.created", "secret.rotated", "secret.rotated", "site.changed", "site.paused", "site.resumed",
        "backfill.started", "backfill.paused", "backfill.resumed", "backfill.cancelled", "jobs.purged", "key.revoked",
    ]  # fmt: skip
    assert all(re.fullmatch(r"cli:\S+@\S+|cli:\S+ \(sudo by \S+\)@\S+", entry["actor"]) for entry in entries)
    by_action = {entry["action"]: entry for entry in entries}
    assert by_action["jobs.purged"]["detail"] == {"asset": "4711", "jobs": 0}
    assert by_action["key.revoked"]["detail"] == {"key": key["id"]}
    assert by_action["secret.rotated"]["detail"] == {"secret": "callback"}
    listing = called("audit-log", "list", home=home).stdout + str(entries)
    for secret in (site["hook_secret"], site["callback_secret"], key["key"], fresh["secret"]):
        assert secret not in listing
    assert "site.paused" in called("audit-log", "list", "--site", "blog", home=home).stdout
    assert told("audit-log", "list", "--since", "2999-01-01T00:00:00Z", home=home)["data"] == []


def test_what_is_done_over_the_api_names_the_key(tmp_path: Path) -> None:
    world = World.on_sqlite(tmp_path / "ledger.sqlite")
    parked = world.ledger.job(world.described("a")).delivery_id
    world.ledger.enable_endpoint("end_s", False)
    assert world.deliverable() == []
    key = told("keys", "create", "--site", "s", home=tmp_path)
    with TestClient(create_app(load({}, home=tmp_path, admin_key="operator"))) as api:
        operator, own = ({"Authorization": f"Bearer {text}"} for text in ("operator", key["key"]))
        assert api.post("/v1/sites", json={"id": "shop", "name": "Shop"}, headers=operator).status_code == 201
        assert api.post("/v1/deliveries/replay", json={"ids": [parked]}, headers=own).json() == {"replayed": 1}
        nothing = api.post("/v1/deliveries/replay", json={"ids": ["dlv_1"]}, headers=own)
        assert (nothing.status_code, nothing.json()["replayed"]) == (200, 0)
    world.ledger.close()
    replayed, added = told("audit-log", "list", "--limit", "2", home=tmp_path)["data"]
    assert (added["action"], added["actor"], added["site"]) == ("site.added", "api:operator", "shop")
    assert (replayed["action"], replayed["actor"]) == ("delivery.replayed", f"api:{key['id']}")
    assert replayed["detail"] == {"ids": [parked], "count": 1}, "a replay that found nothing has no row"
