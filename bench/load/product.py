"""The product on PostgreSQL, as the supervisor starts it, with a receiver that counts what is written."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from tagger.delivery import Endpoint
from tagger.keys import hash_key
from tagger.ledger import Ledger, open_ledger
from tagger.settings import load
from tagger.site import Site
from tagger.supervisor.plan import ProcessPlan
from tagger.supervisor.stack import Stack
from tagger.system.home import free_port

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from faults.receiver import Receiver
from support.postgres import CONFIG, Cluster, cluster, find_binaries

SITE, KEY = "load", "key-of-the-load"
START_SECONDS = 120.0
SERVER = {"shared_buffers": "'256MB'", "max_wal_size": "'2GB'"}  # the defaults of a small server; fsync stays on


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the fake model costs. Each worker has a device of its own."""

    a_ms: float = 5.0  # per batch
    b_ms: float = 1.0  # per image

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / "fake.json").write_text(json.dumps({"a_ms": self.a_ms, "b_ms": self.b_ms}))
        return folder


@dataclass(frozen=True, kw_only=True)
class Product:
    """Everything that runs, and where to look at it."""

    stack: Stack
    ledger: Ledger
    server: Cluster
    database: str
    receiver: Receiver
    home: Path

    @property
    def api(self) -> str:
        return self.stack.api_url

    def sql(self, query: str) -> list[list[str]]:
        """Read from PostgreSQL, beside the product."""
        return [line.split("|") for line in self.server.sql(query, self.database).splitlines()]


@contextmanager
def running(workers: int, model: Model, window: int, *, uploads: bool) -> Iterator[Product]:
    """API, reconciler, deliverer, `workers` tag workers for the archive and one for uploads if there are any, on a new database.

    Errors: SystemExit if PostgreSQL's programs are not installed.
    """
    if find_binaries() is None:
        raise SystemExit("make load needs PostgreSQL's programs (Debian: postgresql).")
    CONFIG.update(SERVER)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with ExitStack() as parts:
        home = Path(tempfile.mkdtemp(prefix="tagger-load-"))
        parts.callback(shutil.rmtree, home, ignore_errors=True)
        server = parts.enter_context(cluster())
        url = server.create()
        settings = load(
            {}, home=home, ledger_url=url, api_port=free_port(), caption="fake", embed="fake",
            model_dir=model.write(home / "models"), window=window, decode_processes=1,
        )  # fmt: skip
        plan = ProcessPlan(upload=int(uploads), backfill=workers, backfill_on_demand=False, solo_on_demand=True)
        stack = Stack(settings, plan)
        parts.callback(stack.stop)
        stack.start()
        ledger = open_ledger(url)
        parts.callback(ledger.close)
        receiver = Receiver()
        parts.callback(receiver.close)
        _site(ledger, receiver)
        stack.wait_ready(START_SECONDS)
        database = url.partition("@/")[2].partition("?")[0]
        yield Product(stack=stack, ledger=ledger, server=server, database=database, receiver=receiver, home=home)


def _site(ledger: Ledger, receiver: Receiver) -> None:
    ledger.put_site(Site(id=SITE, name="Load"))
    ledger.put_endpoint(Endpoint(id="end_load", site_id=SITE, url=receiver.url, secrets=(receiver.secret,), allow_private=True))
    ledger.add_key(SITE, "load", hash_key(KEY))
