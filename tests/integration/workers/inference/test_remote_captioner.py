"""A captioner on another server: what it is asked, what its answers mean, and that no image is charged while it is away."""

from __future__ import annotations

import base64
import contextlib
import io
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.model_server import Answer, ModelServer, completion, model_server

from tagger.errors import EngineStopped, ModelError, ModelServerUnavailable, SettingsError
from tagger.prediction import CaptionPrediction, Pixels
from tagger.settings import load
from workers.inference.remote import LONGEST_PAUSE_SECONDS, PAUSES, RemoteCaptioner

RED: Pixels = np.full((30, 50, 3), (200, 30, 30), np.uint8)
BLUE: Pixels = np.full((30, 50, 3), (30, 30, 200), np.uint8)
SECONDS = 60.0


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server(lambda _body: completion("A red wall.", math.log(0.9), math.log(0.9))) as made:
        yield made


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return time.monotonic() + self.now


Connect = Callable[..., RemoteCaptioner]


@pytest.fixture
def captioner(server: ModelServer) -> Iterator[Connect]:
    with ExitStack() as ends:

        def made(clock: Callable[[], float] = time.monotonic, **more: Any) -> RemoteCaptioner:
            wanted = {"openai_url": server.url, "openai_model": "tiny", "openai_private": True, **more}
            model = RemoteCaptioner(load({}, caption="openai", **wanted), clock=clock)
            ends.callback(model.close)
            return model

        yield made


def caption(model: RemoteCaptioner, pixels: Pixels = RED) -> CaptionPrediction | None:
    return model.predict(pixels, deadline=model._clock() + SECONDS).caption


def test_the_server_gets_the_picture_the_model_and_the_key(server: ModelServer, captioner: Connect) -> None:
    found = caption(captioner(openai_key="sk-secret"))
    assert found is not None
    assert (found.text, round(math.exp(found.log_prob or 0.0), 3)) == ("A red wall.", 0.9)
    [asked] = server.asked
    assert (server.paths, server.keys) == (["/v1/chat/completions"], ["Bearer sk-secret"])
    assert (asked["model"], asked["logprobs"], asked["temperature"]) == ("tiny", True, 0)
    text, image = asked["messages"][0]["content"]
    assert "one short English sentence" in text["text"]
    sent = Image.open(io.BytesIO(base64.b64decode(image["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))))
    assert (sent.format, sent.size) == ("JPEG", (50, 30))


def test_without_probabilities_the_caption_has_score_0_and_is_for_review(server: ModelServer, captioner: Connect) -> None:
    server.answer = lambda _body: completion('"A red  wall."')
    found = caption(captioner(openai_log_probs=False))
    assert found is not None
    assert (found.text, found.score, found.log_prob) == ("A red wall.", 0.0, None)
    assert "logprobs" not in server.asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        completion(None),
        completion("  "),
        completion("A cat.", reason="content_filter"),
        completion("A woman in a red", reason="length"),
        Answer(body={"choices": [{"message": {"content": "A cat."}}]}),
        Answer(body={"choices": [{"finish_reason": "stop", "message": {"content": "A cat.", "refusal": "No."}}]}),
        completion("I'm sorry, I can't help with that."),
    ],
    ids=["no text", "blank", "filtered", "half a sentence", "no end", "refused", "refused in words"],
)
def test_a_server_that_declines_gives_no_caption(server: ModelServer, answer: Answer, captioner: Connect) -> None:
    server.answer = lambda _body: answer
    assert caption(captioner()) is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=401, body={"error": {"message": "Wrong key."}}),
        Answer(status=404, body={"error": "No such model."}),
        Answer(status=429, body={}),
        Answer(status=500, body="<html>"),
        Answer(status=302, body={}, headers={"Location": "http://169.254.169.254/"}),
        Answer(body="<html>"),
        Answer(body={"choices": []}),
        Answer(body={"choices": [{"message": {"content": 7}}]}),
        Answer(body="[" * 100_000),
        Answer(status=500, body="[" * 100_000),
        completion("x", 10**400),
        Answer(status=400, body={"error": {"message": "No such model."}}),
        Answer(status=422, body={"error": {"message": "logprobs is not supported."}}),
    ],
    ids=["key", "model", "limit", "fault", "redirect", "page", "empty", "number", "deep", "deep fault", "huge", "400", "422"],
)
def test_an_answer_without_a_caption_is_an_outage_and_charges_no_image(
    server: ModelServer, answer: Answer, captioner: Connect
) -> None:
    server.answer = lambda _body: answer
    model = captioner()
    with pytest.raises(ModelServerUnavailable):
        caption(model)
    assert (model.ready, model.alive(), model.state) == (False, True, "ready"), "nothing is claimed, and the process lives"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_picture_that_the_server_refuses_is_charged_with_the_servers_words(
    server: ModelServer, status: int, captioner: Connect
) -> None:
    model = captioner()
    assert caption(model) is not None, "the settings are right"
    server.answer = lambda _body: Answer(status=status, body={"error": {"message": "Too small."}})
    with pytest.raises(ModelError, match=r"Too small\."):
        caption(model)
    assert model.ready, "other pictures go on"


def test_the_pauses_grow_and_an_answer_ends_them(server: ModelServer, captioner: Connect) -> None:
    clock = Clock()
    model = captioner(clock)
    good, server.answer = server.answer, lambda _body: Answer(status=503, body={})
    for pause in PAUSES:
        with pytest.raises(ModelServerUnavailable):
            caption(model)
        assert not model.ready
        clock.now += pause
        assert model.ready
    server.answer = good
    assert caption(model) is not None
    assert model.ready


def test_a_failure_after_an_answer_within_a_pause_does_not_lengthen_it_to_the_longest(
    server: ModelServer, captioner: Connect
) -> None:
    clock = Clock()
    model = captioner(clock)
    good = server.answer
    for answer in (lambda _body: Answer(status=503, body={}), good, lambda _body: Answer(status=503, body={})):
        server.answer = answer
        with contextlib.suppress(ModelServerUnavailable):
            caption(model)
    clock.now += PAUSES[0]
    assert model.ready


def test_a_second_failure_does_not_shorten_the_pause_that_the_server_asked_for(server: ModelServer, captioner: Connect) -> None:
    clock = Clock()
    model = captioner(clock)
    for headers in ({"Retry-After": "200"}, {}):
        server.answer = lambda _body, headers=headers: Answer(status=429, body={}, headers=headers)  # type: ignore[misc]
        with pytest.raises(ModelServerUnavailable):
            caption(model)
    clock.now += 100
    assert not model.ready


@pytest.mark.parametrize(
    "answer", [Answer(status=500, body={}), Answer(status=502, body={}), Answer(body="<html>")], ids=["500", "502", "page"]
)
def test_a_picture_on_which_the_server_fails_is_charged_and_stops_no_other(
    server: ModelServer, answer: Answer, captioner: Connect
) -> None:
    clock = Clock()
    model = captioner(clock)
    good = server.answer

    def ask_for_the_bad_one(error: type[Exception]) -> None:
        server.answer = lambda _body: answer
        with pytest.raises(error):
            caption(model)
        server.answer = good

    ask_for_the_bad_one(ModelServerUnavailable)  # who is to blame is not known yet
    clock.now += PAUSES[0]
    ask_for_the_bad_one(ModelServerUnavailable)  # no other one was answered
    clock.now += PAUSES[1]
    assert caption(model, BLUE) is not None
    ask_for_the_bad_one(ModelError)
    assert model.ready, "other pictures go on"


def test_a_picture_is_not_charged_for_a_limit_or_a_wrong_key(server: ModelServer, captioner: Connect) -> None:
    model, good = captioner(), server.answer
    for status in (429, 503, 401, 403, 404):
        for _ in range(2):
            server.answer = good
            assert caption(model, BLUE) is not None
            server.answer = lambda _body, status=status: Answer(status=status, body={})  # type: ignore[misc]
            with pytest.raises(ModelServerUnavailable):
                caption(model)


def test_no_error_repeats_the_key(server: ModelServer, captioner: Connect) -> None:
    server.answer = lambda _body: Answer(status=401, body={"error": {"message": "Wrong\0 key\ud800: sk-secret"}})
    with pytest.raises(ModelServerUnavailable, match=r"401: Wrong key: \*\*\*$"):
        caption(captioner(openai_key="sk-secret"))


def test_requests_that_fail_together_are_one_outage(server: ModelServer, captioner: Connect) -> None:
    clock = Clock()
    model = captioner(clock)
    server.answer = lambda _body: Answer(status=503, body={})
    for _ in range(5):
        with pytest.raises(ModelServerUnavailable):
            caption(model)
    clock.now += PAUSES[0]
    assert model.ready, "not the pause of five outages"


def test_the_server_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(server: ModelServer, captioner: Connect) -> None:
    clock = Clock()
    model = captioner(clock)
    server.answer = lambda _body: Answer(status=429, body={}, headers={"Retry-After": "86400"})
    with pytest.raises(ModelServerUnavailable):
        caption(model)
    clock.now += LONGEST_PAUSE_SECONDS / 2
    assert not model.ready
    clock.now += LONGEST_PAUSE_SECONDS
    assert model.ready


def test_a_server_that_is_away_is_an_outage(captioner: Connect) -> None:
    with model_server(lambda _body: completion("x")) as gone:
        pass
    with pytest.raises(ModelServerUnavailable):
        caption(captioner(openai_url=gone.url))


def test_a_private_address_needs_the_operators_word(server: ModelServer, captioner: Connect) -> None:
    with pytest.raises(ModelServerUnavailable) as caught:
        caption(captioner(openai_private=False))
    assert "openai_private" in caught.value.info().remedy
    assert server.asked == []


def test_a_worker_sends_only_so_many_requests_at_a_time(server: ModelServer, captioner: Connect) -> None:
    together, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def answer(_body: dict[str, Any]) -> Answer:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        both.wait(SECONDS)  # two are here at once
        with lock:
            together -= 1
        return completion("x", -0.1)

    server.answer = answer
    model = captioner(openai_requests=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _n: caption(model), range(6)))
    assert most == 2


def test_the_revision_changes_with_server_and_model_and_holds_no_secret(captioner: Connect) -> None:
    one, other = captioner(openai_key="sk-a"), captioner(openai_key="sk-b")
    assert one.model == other.model
    assert captioner(openai_model="large").model != one.model


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="openai_url and openai_model"):
        RemoteCaptioner(load({}, caption="openai"))


def test_after_the_close_nothing_is_sent(server: ModelServer, captioner: Connect) -> None:
    model = captioner()
    model.close()
    with pytest.raises(EngineStopped):
        caption(model)
    assert (model.ready, server.asked) == (False, [])
