"""While an upload is in hand on this machine, a backfill begins nothing; but not for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

from workers.pipeline.upload_priority import PATIENCE_SECONDS, Polite, Uploads

HOLDER = """
import sys
from pathlib import Path
from workers.pipeline.upload_priority import Uploads
with Uploads(Path(sys.argv[1])).in_hand():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_upload_is_seen_from_its_first_image_to_its_last(tmp_path: Path) -> None:
    uploads, backfill = Uploads(tmp_path), Uploads(tmp_path)
    assert not backfill.under_way()
    with uploads.in_hand():
        with uploads.in_hand():
            assert backfill.under_way()
        assert backfill.under_way()
    assert not backfill.under_way()


def test_the_uploads_of_two_workers_both_count(tmp_path: Path) -> None:
    first, second, backfill = Uploads(tmp_path), Uploads(tmp_path), Uploads(tmp_path)
    with first.in_hand():
        with second.in_hand():
            assert backfill.under_way()
        assert backfill.under_way()
    assert not backfill.under_way()


def test_a_killed_worker_holds_nothing_back(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "held\n"
        backfill = Uploads(tmp_path)
        assert backfill.under_way()
        worker.kill()
        worker.wait()
        assert not backfill.under_way()


def test_a_backfill_goes_on_under_uploads_without_end(tmp_path: Path) -> None:
    ticks = count()
    with Uploads(tmp_path).in_hand():
        Uploads(tmp_path).give_way(threading.Event(), clock=lambda: next(ticks) * PATIENCE_SECONDS / 2)
    assert next(ticks) == 3  # it looked, waited, and went on when its patience ended


def test_a_worker_that_is_to_end_does_not_wait(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with Uploads(tmp_path).in_hand():
        Uploads(tmp_path).give_way(stopping, clock=lambda: 0.0)


def test_without_a_home_of_its_own_every_lane_works_as_if_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    uploads = Uploads(tmp_path / "file" / "home")
    with uploads.in_hand():
        assert not uploads.under_way()


def test_each_lane_does_its_part(tmp_path: Path) -> None:
    go_on = threading.Event()
    go_on.set()  # nobody here waits
    upload, backfill, solo = (Polite(tmp_path, lane, go_on) for lane in ("upload", "backfill", "solo"))
    seen = Uploads(tmp_path)
    with backfill.around(), solo.around():
        assert not seen.under_way()
    with upload.around():
        assert seen.under_way()
        backfill.give_way()
    assert not seen.under_way()


def test_models_on_a_device_of_their_own_owe_nothing(tmp_path: Path) -> None:
    with Polite(None, "upload", threading.Event()).around(), Polite(None, "backfill", threading.Event()).around():
        assert not Uploads(tmp_path).under_way()
