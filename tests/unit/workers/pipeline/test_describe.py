"""The pipeline of one image with a fake ledger, a fake decoder and fake models."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from urllib3 import HTTPHeaderDict

from tagger.annotation import Annotation, Verdict
from tagger.asset import Context, ImageSource
from tagger.blobs.local import LocalBlobs
from tagger.errors import (
    DeadlineExceeded,
    DecodeError,
    DecoderLost,
    DeviceLost,
    EngineStopped,
    ErrorInfo,
    FetchFailed,
    ImageTooManyPixels,
    LedgerUnavailable,
    PoisonImage,
    TaggerError,
)
from tagger.job import MAX_ATTEMPTS, Claim, Description, JobRequest, JobStatus
from tagger.net.client import HttpClient
from tagger.net.url import parse_url
from tagger.prediction import (
    CaptionPrediction,
    ClassScore,
    DetectedObject,
    EmbeddingPrediction,
    EntailmentPrediction,
    Look,
    Pixels,
    Prediction,
)
from tagger.site import Site
from workers.decode.pool import Decoded
from workers.pipeline import prediction_codec
from workers.pipeline.deps import Judged, PipelineDeps
from workers.pipeline.describe import describe
from workers.runtime.standstill import LONG_SECONDS

VECTOR = np.full(16, 0.25, dtype=np.float32)
FULL = Prediction(
    width=640,
    height=480,
    caption=CaptionPrediction(model="m@1", text="a cat — 猫", score=0.9, log_prob=-0.1, others=(("zh", "一只猫"),)),
    embedding=EmbeddingPrediction(model="m@1", vector=VECTOR),
    classes=(ClassScore(label="tabby", score=0.8),),
    objects=(DetectedObject(label="cat", score=0.7, box=(0.1, 0.2, 0.3, 0.4)),),
    look=Look(dominant=(("red", 0.5),), warm=True, cold=False, bright=True, dark=False, black_and_white=False, uniform=False),
    entailment=(EntailmentPrediction(model="e@1", text="a cat", yes=0.9, maybe=0.05, no=0.05),),
    models=("m@1", "e@1"),
)


class PaperLedger:
    def __init__(self) -> None:
        self.completed: list[tuple[Description, Mapping[str, Any] | None]] = []
        self.failed: list[ErrorInfo] = []
        self.waits: list[int] = []
        self.released = self.crashed = 0
        self.stored: dict[str, bytes] = {}
        self.away = 0  # so many calls fail first
        self.stale = False
        self.site = Site(id="s", name="A site")

    def _here(self) -> None:
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("away")

    def get_site(self, site_id: str) -> Site:
        return self.site

    def cached(self, key: str) -> bytes | None:
        return self.stored.get(key)

    def complete(
        self,
        claim: Claim,
        description: Description,
        delivery_fields: Mapping[str, Any] | None,
        *,
        prediction: tuple[str, bytes] | None = None,
    ) -> bool:
        self._here()
        if not self.stale:
            self.stored.update([prediction] if prediction else [])
            self.completed.append((description, delivery_fields))
        return not self.stale

    def fail(self, claim: Claim, error: ErrorInfo, timings_ms: Mapping[str, int], *, wait_ms: int = 0) -> JobStatus | None:
        self._here()
        self.waits.append(wait_ms)
        self.failed.append(error)
        return None if self.stale else "accepted" if error.retryable else "dead"

    def crash(self, claim: Claim) -> JobStatus | None:
        self._here()
        self.crashed += 1
        return "accepted"

    def release(self, claim: Claim) -> bool:
        self._here()
        self.released += 1
        return True


class PaperDecoder:
    def __init__(self) -> None:
        self.error: Exception | None = None

    def decode(self, data: bytes, *, deadline: float) -> Decoded:
        if self.error:
            raise self.error
        return Decoded(pixels=np.zeros((4, 4, 3), np.uint8), width=640, height=480, format="PNG", frames=1)


class PaperModels:
    ids = ("m@1", "e@1")
    checks = False

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    def predict(self, pixels: Pixels, instruction: str, *, width: int, height: int, deadline: float) -> Prediction:
        self.calls += 1
        if self.error:
            raise self.error
        return FULL


class PaperRules:
    def __init__(self) -> None:
        self.fields: Mapping[str, Any] | None = {"alt_text": {}}

    def instruction(self, claim: Claim) -> str:
        return ""

    def judge(self, claim: Claim, site: Site, prediction: Prediction) -> Judged:
        said = prediction.caption.text if prediction.caption else None
        verdict = Verdict(action="publish")
        words = Annotation(field="alt_text", locale="en", value=said, score=0.9, model="m@1", rules=(), verdict=verdict)
        return Judged(annotations=(words,), verdict=verdict, delivery_fields=self.fields)


class Desk:
    def __init__(self, folder: Path) -> None:
        self.ledger, self.decoder, self.models = PaperLedger(), PaperDecoder(), PaperModels()
        self.blobs = LocalBlobs(folder / "blobs")
        self.folder = folder
        (folder / "a.png").write_bytes(b"the bytes of an image")
        self.rules = PaperRules()
        self.deps = PipelineDeps(
            ledger=self.ledger, blobs=self.blobs, decoder=self.decoder, models=self.models, rules=self.rules,
            fetch_seconds=5, max_bytes=1000, stopping=threading.Event(),
        )  # fmt: skip
        self.deps.stopping.set()  # nothing pauses

    def claim(self, *, source: ImageSource | None = None, seconds: float = 30, deliver: bool = True) -> Claim:
        source = source or ImageSource(kind="file", location=str(self.folder / "a.png"), root=str(self.folder))
        request = JobRequest(site_id="s", asset_id="a", source=source, deliver=deliver)
        return Claim(
            job_id="job_1", token="t", lane="upload", failures=0, crashes=0, deadline_ms=1000 + int(seconds * 1000),
            created_ms=400, claimed_ms=1000, request=request,
        )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_good_image_is_described_with_the_time_of_each_stage(desk: Desk) -> None:
    assert describe(desk.claim(), desk.deps) == "described"
    [(description, fields)] = desk.ledger.completed
    assert description.annotations[0].value == "a cat — 猫"
    assert (description.width, description.height) == (640, 480)
    assert description.timings_ms["queue"] == 600
    assert set(description.timings_ms) == {"queue", "fetch", "decode", "model", "judge"}
    assert fields == {"alt_text": {}}
    assert description.embedding is not None
    assert np.frombuffer(description.embedding[1], "<f2").tolist() == VECTOR.tolist()


def test_an_image_gives_way_before_its_end_is_written(desk: Desk) -> None:
    written_before: list[int] = []
    desk.deps = replace(desk.deps, wait_for_uploads=lambda: written_before.append(len(desk.ledger.completed)))
    assert describe(desk.claim(), desk.deps) == "described"
    assert written_before == [0]


def test_the_encoded_bytes_take_room_until_they_are_decoded(desk: Desk) -> None:
    held: dict[str, int] = {}
    decode, predict = desk.decoder.decode, desk.models.predict

    def decoding(data: bytes, *, deadline: float) -> Decoded:
        held["decode"] = desk.deps.encoded_bytes.held
        return decode(data, deadline=deadline)

    def predicting(pixels: Pixels, instruction: str, **more: Any) -> Prediction:
        held["model"] = desk.deps.encoded_bytes.held
        return predict(pixels, instruction, **more)

    desk.decoder.decode, desk.models.predict = decoding, predicting  # type: ignore[method-assign]
    assert describe(desk.claim(), desk.deps) == "described"
    assert held == {"decode": len(b"the bytes of an image"), "model": 0}
    desk.decoder.error = DecodeError("broken")
    desk.ledger.stored.clear()
    assert describe(desk.claim(), desk.deps) == "dead"
    assert desk.deps.encoded_bytes.held == 0


def test_who_reads_the_result_himself_gets_no_delivery(desk: Desk) -> None:
    describe(desk.claim(deliver=False), desk.deps)
    assert desk.ledger.completed[0][1] is None


def test_the_same_bytes_are_not_predicted_twice(desk: Desk) -> None:
    for _ in range(2):
        assert describe(desk.claim(), desk.deps) == "described"
    assert desk.models.calls == 1
    first, second = (description for description, _ in desk.ledger.completed)
    assert first.annotations == second.annotations
    assert "model" not in second.timings_ms


def test_a_broken_image_is_charged_to_itself(desk: Desk) -> None:
    desk.decoder.error = DecodeError("The PNG data is broken.")
    assert describe(desk.claim(), desk.deps) == "dead"
    assert desk.ledger.failed[0].code == "image_unreadable"


def test_a_missing_file_is_refused(desk: Desk) -> None:
    source = ImageSource(kind="file", location=str(desk.folder / "none.png"), root=str(desk.folder))
    assert describe(desk.claim(source=source), desk.deps) == "dead"
    assert desk.ledger.failed[0].stage == "fetch"


Answering = Callable[[int], None]


def answered_with(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Every URL is answered with that status, and no body."""
    head = SimpleNamespace(status=status, headers=HTTPHeaderDict())
    monkeypatch.setattr(HttpClient, "exchange", lambda _client, request, read: read(parse_url(request.url), head))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Every URL is answered with that status, and no body."""

    def answer(status: int) -> None:
        answered_with(monkeypatch, status)

    return answer


@pytest.mark.parametrize(
    ("event_id", "deliver", "age_ms", "outcome"),
    [
        ("evt_1", True, 59_000, ("failed", "image_not_there_yet")),
        ("evt_1", True, 61_000, ("dead", "image_not_found")),
        (None, True, 0, ("dead", "image_not_found")),  # no hook: the caller named a URL that is there by now
        ("req_1", False, 0, ("dead", "image_not_found")),  # somebody waits for the answer
    ],
)
@pytest.mark.parametrize("status", [403, 404])
def test_a_file_that_is_not_public_yet_is_waited_for_after_a_hook(
    desk: Desk,
    status: int,
    event_id: str | None,
    deliver: bool,
    age_ms: int,
    outcome: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered_with(monkeypatch, status)
    claim = desk.claim(source=ImageSource(kind="url", location="http://8.8.8.8/a.jpg"), deliver=deliver)
    claim = replace(claim, claimed_ms=claim.created_ms + age_ms, deadline_ms=claim.created_ms + age_ms + 30_000)
    claim = replace(claim, request=replace(claim.request, event_id=event_id))
    assert (describe(claim, desk.deps), desk.ledger.failed[0].code) == outcome


HALF, PAGE = b"\x89PNG half of a file", b"<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.mark.parametrize(
    ("data", "error", "age_ms", "end", "code"),
    [
        (HALF, DecodeError("The PNG data ends early."), 0, "dead", "image_unreadable"),  # an editor is told at once
        (b"", None, 59_000, "failed", "image_not_there_yet"),
        (b"", DecodeError("The file is empty."), 61_000, "dead", "image_unreadable"),
        (PAGE, DecodeError("SVG drawings are not read."), 0, "dead", "image_unreadable"),
        (HALF, ImageTooManyPixels("It has more."), 0, "dead", "image_too_many_pixels"),
    ],
)
def test_an_empty_file_is_waited_for_after_a_hook(
    desk: Desk, data: bytes, error: DecodeError | None, age_ms: int, end: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered_with(monkeypatch, 200)
    monkeypatch.setattr("workers.fetch.fetch.read_body", lambda *_: data)
    desk.decoder.error = error
    claim = desk.claim(source=ImageSource(kind="url", location="http://8.8.8.8/a.jpg"))
    claim = replace(claim, claimed_ms=claim.created_ms + age_ms, deadline_ms=claim.created_ms + age_ms + 30_000)
    claim = replace(claim, request=replace(claim.request, event_id="evt_1"))
    assert describe(claim, desk.deps) == end
    assert desk.ledger.failed[0].code == code


@pytest.fixture
def breaking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every URL is answered with a part of the bytes that it announces."""

    def read1(amt: int, decode_content: bool) -> bytes:
        if part := parts.pop():
            return part
        raise IncompleteRead(b"", 40)

    parts = [b"", HALF]
    body = SimpleNamespace(status=200, headers=HTTPHeaderDict({"Content-Length": "60"}), read1=read1)
    monkeypatch.setattr(HttpClient, "exchange", lambda _client, request, read: read(parse_url(request.url), body))


def last_attempt(desk: Desk) -> Claim:
    claim = desk.claim(source=ImageSource(kind="url", location="http://8.8.8.8/a.jpg"))
    return replace(claim, failures=MAX_ATTEMPTS - 1)


@pytest.mark.usefixtures("breaking_off")
def test_what_a_server_sent_before_it_broke_off_is_described_at_the_last_attempt(desk: Desk) -> None:
    assert describe(last_attempt(desk), desk.deps) == "described"
    [(description, _)] = desk.ledger.completed
    assert description.sha256 == hashlib.sha256(HALF).hexdigest()
    assert description.warnings[-1] == "http://8.8.8.8/a.jpg sent fewer bytes than it announced. What it sent was used."


@pytest.mark.usefixtures("breaking_off")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DecodeError("The PNG file ends early."), "image_unreachable"),  # the file is whole on the server
        (ImageTooManyPixels("It has more."), "image_too_many_pixels"),
    ],
)
def test_if_it_cannot_be_read_the_server_is_at_fault(desk: Desk, error: DecodeError, code: str) -> None:
    desk.decoder.error = error
    describe(last_attempt(desk), desk.deps)
    assert [failed.code for failed in desk.ledger.failed] == [code]


def test_a_warning_of_the_decoder_stays_with_the_prediction(desk: Desk) -> None:
    decode = desk.decoder.decode
    desk.decoder.decode = lambda data, deadline: replace(decode(data, deadline=deadline), warnings=("cut",))  # type: ignore[method-assign]
    assert describe(desk.claim(), desk.deps) == "described"
    (stored,) = desk.ledger.stored.values()
    known = prediction_codec.load(stored)
    assert known is not None
    assert known.file.warnings == ("cut",), "so that a second job of the same bytes has it too"


def test_a_poison_image_is_dead(desk: Desk) -> None:
    desk.models.error = PoisonImage("it raises")
    assert describe(desk.claim(), desk.deps) == "dead"


def test_a_model_that_stops_charges_nobody(desk: Desk) -> None:
    desk.models.error = EngineStopped()
    assert describe(desk.claim(), desk.deps) == "released"
    assert (desk.ledger.released, desk.ledger.failed) == (1, [])


def test_an_image_that_the_device_failed_with_is_charged_a_crash(desk: Desk) -> None:
    desk.models.error = DeviceLost()
    assert describe(desk.claim(), desk.deps) == "released"
    assert (desk.ledger.crashed, desk.ledger.released, desk.ledger.failed) == (1, 0, [])


def test_an_image_whose_decoder_is_killed_twice_is_charged_a_crash(desk: Desk) -> None:
    desk.decoder.error = DecoderLost()
    assert describe(desk.claim(), desk.deps) == "released"
    assert (desk.ledger.crashed, desk.ledger.released, desk.ledger.failed) == (1, 0, [])


def test_an_image_whose_server_asks_for_a_pause_is_tried_after_it(desk: Desk) -> None:
    desk.decoder.error = FetchFailed("It answered 429.", retry_after_ms=120_000)
    assert describe(desk.claim(), desk.deps) == "failed"
    assert desk.ledger.waits == [120_000]


@pytest.mark.parametrize("error", [DecoderLost(), DeadlineExceeded(), FetchFailed("Timed out.")])
def test_nothing_is_charged_where_the_process_stood_still_meanwhile(desk: Desk, error: TaggerError) -> None:
    desk.decoder.error = error
    assert describe(desk.claim(), replace(desk.deps, stood_still=lambda _since: LONG_SECONDS)) == "released"
    assert (desk.ledger.crashed, desk.ledger.released, desk.ledger.failed) == (0, 1, [])


def test_an_image_that_is_broken_is_so_however_long_the_process_stood_still(desk: Desk) -> None:
    desk.decoder.error = DecodeError("No image.")
    assert describe(desk.claim(), replace(desk.deps, stood_still=lambda _since: 60.0)) != "released"
    assert [error.code for error in desk.ledger.failed] == ["image_unreadable"]


def test_an_unforeseen_error_is_charged_and_may_be_tried_again(desk: Desk) -> None:
    desk.models.error = ZeroDivisionError("secret of the house")
    assert describe(desk.claim(), desk.deps) == "failed"
    assert desk.ledger.failed[0].code == "internal_error"
    assert "secret" not in desk.ledger.failed[0].detail


def test_a_result_is_not_thrown_away_while_the_ledger_restarts(desk: Desk) -> None:
    desk.ledger.away = 3
    assert describe(desk.claim(), desk.deps) == "described"
    assert len(desk.ledger.completed) == 1


def test_without_a_ledger_the_job_is_left_to_its_deadline(desk: Desk) -> None:
    desk.ledger.away = 1000
    assert describe(desk.claim(seconds=0.5), desk.deps) == "abandoned"


def test_a_stale_result_is_dropped_quietly_and_its_verdict_is_not_counted(desk: Desk) -> None:
    verdicts: list[str] = []
    deps = replace(desk.deps, on_verdict=lambda verdict: verdicts.append(verdict.action))
    assert describe(desk.claim(), deps) == "described"
    assert verdicts == [desk.ledger.completed[0][0].verdict.action]
    desk.ledger.stale = True
    assert describe(desk.claim(), deps) == "stale"
    assert len(verdicts) == 1


def test_uploaded_bytes_go_once_they_are_described_and_stay_for_a_replay(desk: Desk) -> None:
    for error, kept in ((PoisonImage("it raises"), True), (None, False)):
        key = desk.blobs.put(b"bytes of %d" % kept)
        desk.models.error = error
        describe(desk.claim(source=ImageSource(kind="blob", location=key)), desk.deps)
        assert (desk.blobs.folder / key[:2] / key).exists() == kept


def test_a_prediction_survives_the_cache() -> None:
    read = prediction_codec.load(prediction_codec.dump(FULL))
    assert read is not None
    assert read.embedding is not None
    assert FULL.embedding is not None
    np.testing.assert_allclose(read.embedding.vector, FULL.embedding.vector, atol=1e-3)
    for name in ("width", "height", "caption", "classes", "objects", "look", "entailment", "models"):
        assert getattr(read, name) == getattr(FULL, name)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"\x80\x04.", b'{"form": 0}', b'{"form": 1}', prediction_codec.dump(FULL)[:-9], b"[1]"]
)
def test_what_is_not_a_prediction_counts_as_not_cached(value: bytes) -> None:
    assert prediction_codec.load(value) is None


def test_the_cache_key_changes_with_what_a_prediction_depends_on() -> None:
    base: dict[str, Any] = {"site_id": "s", "sha256": "ab", "models": ("m@1",), "instruction": "", "context": Context()}
    others = [
        {"site_id": "t"}, {"sha256": "ac"}, {"models": ("m@2",)}, {"instruction": "x"}, {"context": Context(title="t")},
    ]  # fmt: skip
    keys = {prediction_codec.key(**base)} | {prediction_codec.key(**{**base, **other}) for other in others}
    assert len(keys) == 1 + len(others)


def test_no_text_is_held_against_a_picture_that_the_models_cannot_see(desk: Desk) -> None:
    """A white logo on transparency: a check would call every true text of it wrong."""
    seen = desk.decoder.decode
    desk.decoder.decode = lambda data, *, deadline: replace(seen(data, deadline=deadline), content="hidden")  # type: ignore[method-assign]
    claim = desk.claim()
    claim = replace(claim, request=replace(claim.request, check_text="our white logo"))
    assert describe(claim, desk.deps) == "dead"
    assert desk.ledger.completed == []


def test_a_site_is_told_also_that_nothing_is_to_be_written_unless_it_does_not_want_to_hear_it(desk: Desk) -> None:
    desk.rules.fields = None
    describe(desk.claim(), desk.deps)
    describe(desk.claim(deliver=False), desk.deps)
    desk.ledger.site = replace(desk.ledger.site, tell_unwritten=False)
    describe(desk.claim(), desk.deps)
    assert [fields for _, fields in desk.ledger.completed] == [{}, None, None]
