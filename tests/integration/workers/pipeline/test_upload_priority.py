"""a backfill starts nothing while its machine processes an upload, but it never waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

from workers.pipeline.upload_priority import LONGEST_WAIT_SECONDS, Uploads, YieldToUploads

HOLDER = """
import sys
from pathlib import Path
from workers.pipeline.upload_priority import Uploads
with Uploads(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_upload_is_seen_from_its_first_image_to_its_last(tmp_path: Path) -> None:
    uploads, backfill = Uploads(tmp_path), Uploads(tmp_path)
    assert not backfill.any_upload()
    with uploads.hold():
        with uploads.hold():
            assert backfill.any_upload()
        assert backfill.any_upload()
    assert not backfill.any_upload()


def test_the_uploads_of_two_workers_both_count(tmp_path: Path) -> None:
    first, second, backfill = Uploads(tmp_path), Uploads(tmp_path), Uploads(tmp_path)
    with first.hold():
        with second.hold():
            assert backfill.any_upload()
        assert backfill.any_upload()
    assert not backfill.any_upload()


def test_a_killed_worker_holds_nothing_back(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "held\n"
        backfill = Uploads(tmp_path)
        assert backfill.any_upload()
        worker.kill()
        worker.wait()
        assert not backfill.any_upload()


def test_a_backfill_goes_on_under_uploads_without_end(tmp_path: Path) -> None:
    ticks = count()
    with Uploads(tmp_path).hold():
        Uploads(tmp_path).wait_for_uploads(threading.Event(), clock=lambda: next(ticks) * LONGEST_WAIT_SECONDS / 2)
    assert next(ticks) == 3  # it looked, waited, and went on when the longest wait was over


def test_a_worker_that_is_to_end_does_not_wait(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with Uploads(tmp_path).hold():
        Uploads(tmp_path).wait_for_uploads(stopping, clock=lambda: 0.0)


def test_without_a_home_of_its_own_every_lane_works_as_if_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    uploads = Uploads(tmp_path / "file" / "home")
    with uploads.hold():
        assert not uploads.any_upload()


def test_each_lane_does_its_part(tmp_path: Path) -> None:
    go_on = threading.Event()
    go_on.set()  # nobody here waits
    upload, backfill, solo = (YieldToUploads(tmp_path, lane, go_on) for lane in ("upload", "backfill", "solo"))
    seen = Uploads(tmp_path)
    with backfill.around(), solo.around():
        assert not seen.any_upload()
    with upload.around():
        assert seen.any_upload()
        backfill.wait_for_uploads()
    assert not seen.any_upload()


def test_workers_with_a_device_of_their_own_do_not_wait(tmp_path: Path) -> None:
    with YieldToUploads(None, "upload", threading.Event()).around(), YieldToUploads(None, "backfill", threading.Event()).around():
        assert not Uploads(tmp_path).any_upload()
