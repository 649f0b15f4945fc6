"""Two versions of tagger, each as its own process, take turns on one ledger: `make upgrade-test`.

The old version comes from git (`--old`, a commit; the clone needs its history). It uses the packages of this environment, and
those of `--with`. Each step is a process of one version: it claims, describes and delivers what the other version left.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FIRST = "5916473"  # the oldest version that this environment runs

OPEN = """
import sys
sys.path[:0] = [tests]
try:
    from support.ledger_cases.world import FIELDS, World, description, said
except ModuleNotFoundError:
    from ledger_cases.world import FIELDS, World, description, said
from tagger.ledger import open_ledger
World.site = lambda self, name: None
World.worker = lambda self, name: None
if step == 3:
    from tagger.ledger import Ledger
    Ledger.migrate = lambda self: None  # workers never migrate; 0.1.0's API and commands do, and refuse a newer ledger
w = World(url)
w.now = step * 10_000 + 1_790_000_100_000
w.ledger.register_worker(f"w{step}", role="tag", lane="upload", host="here", pid=step)
w.now += 6_000
"""
SITE = """
from tagger.delivery import Endpoint
from tagger.site import Site
w.ledger.put_site(Site(id="s", name="s"))
w.ledger.put_endpoint(Endpoint(id="end_s", site_id="s", url="https://s.example/hook", secrets=("whsec_a",)))
"""
LEAVE = """
job = w.accept(f"described-{step}")
assert w.ledger.complete(w.claimed(job, f"w{step}"), description(), FIELDS)
w.accept(f"accepted-{step}")
"""
TAKE = """
claim = w.claimed(None, f"w{step}")
assert claim.request.asset_id == f"accepted-{step - 1}", claim
assert w.ledger.complete(claim, description(), FIELDS)
left = w.ledger.claim_deliveries(worker_id=f"w{step}", limit=50)
assert {one.asset_id for one in left} == {f"described-{step - 1}", f"accepted-{step - 1}"}, left
for one in left:
    assert w.finish(one, "delivered", said("written")) == "delivered"
"""
END = "w.ledger.close()"


def run(source: Path, tests: Path, url: str, step: int, *parts: str, extra: str = "") -> None:
    setting = f"url, step, tests = {url!r}, {step}, {str(tests)!r}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(source), extra]))}
    code = "\n".join([setting, OPEN, *parts, END])
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, cwd=source, check=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--old", default=FIRST)
    asked.add_argument("--with", dest="needs", nargs="*", default=["ruamel.yaml~=0.19"])
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old, extra = Path(folder) / "old", Path(folder) / "extra"
        old.mkdir()
        archive = subprocess.run(["git", "archive", given.old], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(old)], input=archive, check=True)
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(extra), *given.needs]
        subprocess.run(install, check=True)
        url = f"sqlite:///{folder}/ledger.sqlite"
        run(old, old / "tests", url, 1, SITE, LEAVE, extra=str(extra))
        print(f"1. {given.old} made the ledger, described one image and accepted another")
        run(ROOT, ROOT / "tests", url, 2, TAKE, LEAVE)
        print("2. this version migrated it, described and delivered what the old one left")
        run(old, old / "tests", url, 3, TAKE, LEAVE, extra=str(extra))
        print(f"3. {given.old} described and delivered on the migrated ledger what this version left")
        run(ROOT, ROOT / "tests", url, 4, TAKE)
        print("4. this version described and delivered what the old one left there")


if __name__ == "__main__":
    main()
