"""What is sent: an archive as a folder backfill, and uploads at random times through the API."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import requests

from bench.house import distinct, photos
from bench.load.product import KEY, SITE, Product
from tagger.services.backfill.plan import plan_folder

SIDE = 320  # longer side of the images, in pixels
FOLDER_FILES = 1000
SENDERS = 8  # threads


def write_archive(folder: Path, images: int) -> None:
    """So many JPEGs, each with bytes of its own, so that no prediction is cached."""
    for number, jpeg in enumerate(islice(cycle(photos(SIDE)), images)):
        part = folder / f"{number // FOLDER_FILES:04}"
        if number % FOLDER_FILES == 0:
            part.mkdir(parents=True)
        (part / f"{number:07}.jpg").write_bytes(distinct(jpeg, number))


def start_backfill(product: Product, archive: Path, window: int) -> str:
    ledger = product.ledger
    plan = plan_folder(ledger.get_site(SITE), archive, window=window, now_ms=ledger.now_ms())
    ledger.start_backfill(plan)
    return plan.id


class Uploads:
    """Uploads with Poisson arrivals until `end`. A refused one is sent again, as a CMS does."""

    def __init__(self, product: Product, a_second: float) -> None:
        self.accepted: list[str] = []
        self.answer_ms: list[float] = []
        self.refused = 0
        self._rate, self._rng = a_second, random.Random(1)
        self._url = f"{product.api}/v1/assets"
        self._ended = threading.Event()
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=SENDERS))
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Returns once every upload is accepted."""
        self._ended.set()
        self._thread.join()
        self._session.close()

    def _send_all(self) -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            pictures = cycle(photos(SIDE))
            number, due = 0, time.monotonic()
            while self._rate and not self._ended.wait(max(0.0, due - time.monotonic())):
                number, due = number + 1, due + self._rng.expovariate(self._rate)
                pool.submit(self._send, f"upload-{number}", distinct(next(pictures), 10_000_000 + number))

    def _send(self, asset: str, jpeg: bytes) -> None:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "image/jpeg"}
        while True:
            began = time.monotonic()
            try:
                answer = self._session.put(f"{self._url}/{asset}/image", data=jpeg, headers=headers, timeout=60)
            except requests.RequestException:
                self.refused += 1
            else:
                if answer.status_code == 202:
                    self.answer_ms.append((time.monotonic() - began) * 1000)
                    self.accepted.append(answer.json()["id"])
                    return
                self.refused += 1
            if self._ended.wait(1.0):
                return
