"""The load of a soak: single uploads over the API, some of them broken, and one folder backfill after the other."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

import requests
from PIL import Image
from sqlalchemy import text

from faults.harness import KEY, Rig, png
from tagger.errors import Unavailable
from tagger.services.backfill.plan import plan_folder
from workers.models.fake import RAISES

FOLDER = 1_200  # pictures of one campaign
FED = text("SELECT id FROM jobs WHERE backfill_id IS NOT NULL")


class Traffic:
    def __init__(self, rig: Rig, rng: random.Random, per_second: float) -> None:
        self.rig, self.rng, self.per_second = rig, rng, per_second
        self.accepted: list[str] = []
        self.refused = self.unanswered = self.campaigns = 0
        self._over = threading.Event()
        self.uploads = threading.Thread(target=self._upload, name="uploads", daemon=True)
        self.backfills = threading.Thread(target=self._backfill, name="backfills", daemon=True)

    def end(self) -> None:
        self._over.set()
        self.uploads.join()
        self.backfills.join()

    def words(self) -> str:
        return (
            f"uploads {len(self.accepted)} (503: {self.refused}, no answer: {self.unanswered}), campaigns {self.campaigns}, "
            f"written {self.rig.effective()}"
        )

    def fed_jobs(self) -> Sequence[Any]:
        with self.rig.reader.connect() as conn:
            return conn.execute(FED).all()

    def _upload(self) -> None:
        ports = [int(slot.env["TAGGER_API_PORT"]) for slot in self.rig.slots if slot.role in ("up", "api")]
        http = requests.Session()
        http.trust_env = False
        number = 0
        while not self._over.wait(self.rng.expovariate(self.per_second)):
            number += 1
            url = f"http://127.0.0.1:{ports[number % len(ports)]}/v1/assets/upload-{number}/image"
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "image/png"}
            try:
                answer = http.put(url, data=self._picture(), headers=headers, timeout=15)
            except requests.RequestException:
                self.unanswered += 1  # perhaps accepted: then it must end too, like every row of the ledger
                continue
            if answer.status_code == 202:
                self.accepted.append(answer.json()["id"])
            else:
                assert answer.status_code == 503, answer.text
                self.refused += 1
        http.close()

    def _picture(self) -> bytes:
        """One in fifty makes the model raise, one in fifty is cut off, one in ten is large."""
        kind, colour = self.rng.random(), self.rig.colour()
        if kind < 0.02:
            return png(RAISES)
        if kind < 0.04:
            return png(colour)[:60]
        if kind < 0.14:
            out = io.BytesIO()
            Image.new("RGB", (1600, 1200), colour).save(out, "PNG")
            return out.getvalue()
        return png(colour)

    def _backfill(self) -> None:
        while not self._over.is_set():
            campaign = self._folder()
            self._patiently(lambda: self.rig.ledger.start_backfill(campaign))  # type: ignore[misc]  # noqa: B023
            self.campaigns += 1
            while self._patiently(lambda: self.rig.ledger.backfill(campaign.id)).status != "done":  # type: ignore[misc]  # noqa: B023
                if self._over.wait(0.5):
                    return

    def _folder(self) -> Any:
        folder = self.rig.home / "library" / f"{self.campaigns:03}"
        folder.mkdir(parents=True)
        for number in range(FOLDER):
            (folder / f"{self.campaigns:03}-{number:05}.png").write_bytes(png(self.rig.colour()))
        site = self._patiently(lambda: self.rig.ledger.get_site("site"))
        return plan_folder(site, folder, window=300, now_ms=time.time_ns() // 1_000_000)

    def _patiently(self, call: Any) -> Any:
        """The ledger may be away; what was asked for is asked again."""
        while True:
            try:
                return call()
            except Unavailable:
                self._over.wait(0.3)
