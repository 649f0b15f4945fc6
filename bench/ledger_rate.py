"""How many jobs a second one process takes through accept → claim → complete, and how long a heartbeat waits meanwhile.

python bench/ledger_rate.py [URL] [JOBS] [THREADS]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tagger.annotation import Annotation, Verdict
from tagger.asset import ImageSource
from tagger.delivery import Endpoint
from tagger.job import Description, JobRequest
from tagger.ledger import Ledger, open_ledger
from tagger.site import Site

PUBLISH = Verdict(action="publish")
TEXT = "Tabby cat on a red sofa"


def request(number: int) -> JobRequest:
    return JobRequest(
        site_id="s", asset_id=f"a{number}", source=ImageSource(kind="url", location=f"https://cms.example/{number}.jpg")
    )


def description() -> Description:
    texts = [
        Annotation(field=field, locale="en", value=TEXT, score=0.9, model="m@1", rules=("A1",), verdict=PUBLISH)
        for field in ("alt_text", "caption", "tags")
    ]
    return Description(
        annotations=tuple(texts), verdict=PUBLISH, sha256="0" * 64, width=800, height=600, timings_ms={"model": 88},
        embedding=("gme@1a2b3c4d", bytes(768)),
    )  # fmt: skip


def one(ledger: Ledger, number: int) -> None:
    job = ledger.accept([request(number)])[0]
    claim = ledger.claim(lane="upload", worker_id="w", lease_ms=60_000, job_id=job.job_id)
    assert claim is not None
    assert ledger.complete(claim, description(), {"alt_text": {"en": {"value": TEXT}}})


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{tempfile.mkdtemp()}/ledger.sqlite"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    ledger = open_ledger(url)
    ledger.migrate()
    ledger.put_site(Site(id="s", name="S"))
    ledger.put_endpoint(Endpoint(id="end_1", site_id="s", url="https://cms.example/hook", secrets=("whsec_a",)))
    ledger.register_worker("w", role="tag", lane="upload", host="h", pid=1)
    stop = threading.Event()
    waits: list[float] = []

    def beat() -> None:
        while not stop.wait(0.05):
            began = time.perf_counter()
            assert ledger.beat("w")
            waits.append(time.perf_counter() - began)

    beater = threading.Thread(target=beat)
    beater.start()
    began, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda n: one(ledger, n), range(count)))
    took, cpu = time.perf_counter() - began, time.process_time() - spent
    stop.set()
    beater.join()
    waits.sort()
    rate, kind = count / took, url.split(":")[0]
    print(f"{kind}: {rate:.0f} jobs/s with {threads} threads, {cpu / count * 1000:.2f} ms CPU per job")
    print(f"heartbeat meanwhile: at most {waits[-1] * 1000:.0f} ms")
    ledger.close()


if __name__ == "__main__":
    main()
