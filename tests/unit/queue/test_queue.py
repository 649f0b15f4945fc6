"""The queue without a broker: the settings of the Celery app, and how fast a caller gets the error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tagger.errors import BrokerUnavailable
from tagger.job import LANES
from tagger.queue.app import make_app
from tagger.queue.hints import PAUSE_SECONDS, Hints


def test_messages_are_json_and_carry_no_results() -> None:
    conf = make_app("redis://127.0.0.1:1/0").conf
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert conf.result_backend is None
    assert conf.task_ignore_result


def test_each_lane_is_a_queue_and_a_misspelt_one_is_none() -> None:
    app = make_app("redis://127.0.0.1:1/0")
    assert set(app.amqp.queues) == set(LANES)
    with pytest.raises(KeyError):
        app.amqp.queues["uplaod"]


def test_an_app_is_not_made_current_for_others() -> None:
    from celery import current_app

    app = make_app("redis://127.0.0.1:1/0")
    assert current_app._get_current_object() is not app


def test_callers_learn_at_once_that_the_broker_is_away(tmp_path: Path) -> None:
    hints = Hints(f"redis+socket://{tmp_path}/nobody.sock")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(BrokerUnavailable):
            hints.send("job_1", "upload")
    assert time.monotonic() - began < 2.0


def test_after_a_failure_the_broker_is_left_in_peace_for_a_moment(tmp_path: Path) -> None:
    now = [100.0]
    hints = Hints(f"redis+socket://{tmp_path}/nobody.sock", monotonic=lambda: now[0])
    for expected in ("does not answer", "did not answer the last call"):
        with pytest.raises(BrokerUnavailable, match=expected):
            hints.depth("upload")
    now[0] += PAUSE_SECONDS
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        hints.depth("upload")


def test_the_answer_says_nothing_of_passwords() -> None:
    hints = Hints("redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(BrokerUnavailable) as caught:
        hints.ping()
    assert "hunter2" not in str(caught.value) + repr(caught.value.info())
