"""Settings: where they come from, what is refused, and what a child process gets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tagger.errors import SettingsError
from tagger.ledger import open_ledger
from tagger.settings import child_env, load, plain_env
from tagger.settings.limits import batch_remedy, batch_warning, fitting_batch
from tagger.supervisor.plan import ProcessPlan

LOGGING = "from tagger.settings import load; from tagger.telemetry import logs; logs.configure(load(), 'api')"


def test_the_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    (tmp_path / "tagger.toml").write_text("threads = 8\nmax_batch = 4\nwindow = 7\n")
    found = load({"TAGGER_HOME": str(tmp_path), "TAGGER_MAX_BATCH": "3", "TAGGER_WINDOW": "9"}, window=11)
    assert (found.threads, found.max_batch, found.window) == (8, 3, 11)


def test_the_file_may_begin_with_the_mark_of_an_editor(tmp_path: Path) -> None:
    (tmp_path / "tagger.toml").write_text("threads = 8\n", "utf-8-sig")
    assert load({"TAGGER_HOME": str(tmp_path)}).threads == 8


@pytest.mark.parametrize("text", ["thraeds = 8", "threads = 'many'", "threads = ", "home = '/elsewhere'", "[table]\nx = 1"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tagger.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"tagger\.toml"):
        load({}, home=tmp_path)


def test_a_child_has_the_same_settings_and_none_of_the_callers_own(tmp_path: Path) -> None:
    config = tmp_path / "production.toml"
    config.write_text('ledger_url = "postgresql://production"\nblob_dir = "/production"\n')
    env = {"TAGGER_CONFIG": str(config), "TAGGER_HOME": str(tmp_path), "TAGGER_ADMIN_KEY": "secret", "PATH": "/bin"}
    caller = load(env)
    own = caller.model_copy(update={"ledger_url": "", "blob_dir": None})
    child = load(child_env(own, env, role="api"))
    assert child == own
    assert child.ledger.startswith("sqlite:///")
    assert child_env(own, env)["PATH"] == "/bin"


ODD = ["a?b", "a#b", "%41", "100%", "a b", "it's", 'say "so"', "back\\slash", "é漢字", "新しい\u3000folder", "a;b,c", "a+b@c:d"]


@pytest.mark.parametrize("name", [*ODD, "[x]*", "--x"])
def test_the_ledger_lies_in_the_home_whatever_its_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    settings = load({}, home=home)
    ledger = open_ledger(settings.ledger)
    ledger.ping()
    ledger.close()
    assert (home / "ledger.sqlite").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name}, "nothing lies beside the home"
    assert load(child_env(settings, {})) == settings


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/tmp/a\nb", "control character"),
        ("/tmp/a\0b", "control character"),
        ("/tmp/a\x1b[31mb", "control character"),
        ("/tmp/a\u2028b", "control character"),
        ("/tmp/caf\udce9", "not UTF-8"),
        ("/tmp/a ", "blank"),
        ("/tmp/" + "l" * 300, "too long"),
        ("/tmp/" + "l/" * 2500, "bytes"),
        ("~nobody-of-this-name/x", "home"),
    ],
)
def test_a_home_that_cannot_be_used_is_refused_by_name(path: str, words: str) -> None:
    for told in (lambda: load({}, home=Path(path)), lambda: load({"TAGGER_HOME": path})):
        with pytest.raises(SettingsError, match=words) as error:
            told()
        assert error.value.detail.isprintable()
        assert "--home" in error.value.remedy


def test_a_link_to_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "good").symlink_to(tmp_path / "a\nb")
    with pytest.raises(SettingsError, match="control character"):
        load({}, home=tmp_path / "good")


def test_a_configuration_file_whose_path_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TAGGER_CONFIG"):
        load({"TAGGER_HOME": str(tmp_path), "TAGGER_CONFIG": "/tmp/" + "l" * 300})


def test_a_secret_is_in_the_environment_of_the_process_that_needs_it_alone(tmp_path: Path) -> None:
    env = {"TAGGER_HOME": str(tmp_path), "TAGGER_ADMIN_KEY": "for-the-api", "TAGGER_EVENTS_SECRET": "for-deliver", "PATH": "/bin"}
    chosen = load(env)
    plan = ProcessPlan(upload=1, backfill=1, flower=5555).children()
    found = {child.name: child_env(chosen, env, role=child.name) for child in plan}
    assert [name for name, its in found.items() if "for-the-api" in its.values()] == ["api"]
    assert [name for name, its in found.items() if "for-deliver" in its.values()] == ["deliver"]
    assert load(found["api"]).admin_key == SecretStr("for-the-api")
    assert load(found["deliver"]).events_secret == SecretStr("for-deliver")
    assert plain_env(env) == {"PATH": "/bin"}


@pytest.mark.parametrize("key", ["broker_url", "events_url"])
@pytest.mark.parametrize("url", ["redis://h:port/0", "redis://[", "http://h:99999/"])
def test_a_url_that_cannot_be_read_is_named(key: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=key):
        load({}, home=tmp_path, **{key: url})


def test_a_list_of_sentinels_is_a_url(tmp_path: Path) -> None:
    url = "sentinel://a:26379/0;sentinel://b:26379/0"
    assert load({}, home=tmp_path, broker_url=url).broker == url


@pytest.mark.parametrize("given", [{"threads": 8, "max_batch": 5}, {"max_batch": 33}, {"threads": 1, "max_batch": 2}])
def test_threads_hold_two_batches_and_a_larger_batch_is_lowered_with_a_warning(tmp_path: Path, given: dict[str, int]) -> None:
    """Not refused: with 0.1.0 such a pair worked, and `threads` alone may be lowered when memory is short."""
    made = load({}, home=tmp_path, **given)
    used = fitting_batch(made.threads, made.max_batch)
    assert used == max(1, made.threads // 2)
    told = f"max_batch ({made.max_batch}) is more than half of threads ({made.threads}); a batch gets at most {used} images"
    assert batch_warning(made.threads, made.max_batch) == told
    child = load(child_env(made, {}), home=tmp_path)
    assert batch_warning(child.threads, child.max_batch) == told, "the log of each process says it"


@pytest.mark.parametrize(
    ("threads", "max_batch", "remedy"),
    [
        (64, 33, "Set max_batch to at most 32, or threads to at least 66."),
        (64, 256, "Set max_batch to at most 32, or threads to at least 512."),
        (64, 257, "Set max_batch to at most 32."),
    ],
)
def test_the_remedy_of_a_batch_that_does_not_fit_can_be_followed(
    tmp_path: Path, threads: int, max_batch: int, remedy: str
) -> None:
    assert batch_remedy(threads, max_batch) == remedy
    wanted = {"threads": int(found[1])} if (found := re.search(r"threads to at least (\d+)", remedy)) else {"max_batch": 32}
    fits = load({}, home=tmp_path, **{"threads": threads, "max_batch": max_batch, **wanted})
    assert batch_warning(fits.threads, fits.max_batch) == ""


def test_the_log_of_a_role_says_that_its_batch_was_lowered(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING],
        env={**plain_env(), "TAGGER_HOME": str(tmp_path), "TAGGER_MAX_BATCH": "64"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [line] = [found for found in map(json.loads, done.stderr.splitlines()) if found["event"] == "batch.lowered"]
    assert (line["level"], "max_batch (64)" in line["error"], "threads (64)" in line["error"]) == ("warning", True, True)


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (2, 1), (8, 4), (31, 15), (32, 16), (512, 16)])
def test_a_batch_that_nobody_set_follows_the_threads(tmp_path: Path, threads: int, batch: int) -> None:
    made = load({"TAGGER_THREADS": str(threads)}, home=tmp_path)
    assert made.max_batch == batch
    assert batch_warning(threads, batch) == ""
    assert load(child_env(made, {}), home=tmp_path).max_batch == batch, "a child process is told both"


@pytest.mark.parametrize("given", [{"job_seconds": 20}, {"openai_seconds": 120}, {"openai_seconds": 60, "job_seconds": 50}])
def test_a_request_to_a_model_server_ends_before_its_job(tmp_path: Path, given: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"openai_seconds: \d+ must be less than job_seconds \(\d+\)"):
        load({}, home=tmp_path, caption="openai", **given)
    assert load({}, home=tmp_path, **given).caption == "auto", "without such a server it does not matter"


def test_the_key_of_a_model_server_with_a_line_break_is_refused_and_not_shown(tmp_path: Path) -> None:
    """The error of a header that cannot be sent held the key. At the ends of a variable or a file, line breaks are dropped."""
    (tmp_path / "tagger.toml").write_text('openai_key = "sk-secret\\n"\n', "utf-8")
    with pytest.raises(SettingsError, match="openai_key: a key has only printable ASCII") as refused:
        load({}, home=tmp_path)
    assert load({"TAGGER_OPENAI_KEY": "sk-other\n"}, home=tmp_path).openai_key == SecretStr("sk-other")
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["schlüssel", "клю", "tab\tkey", "two\nlines", "a\u00a0b", "zero\u200bwidth"], ids=range(6))
def test_an_admin_key_that_no_header_can_carry_is_refused(tmp_path: Path, key: str) -> None:
    """The operator would be locked out, and told only that the key is unknown."""
    with pytest.raises(SettingsError, match="TAGGER_ADMIN_KEY: a key has only printable ASCII") as refused:
        load({"TAGGER_ADMIN_KEY": key}, home=tmp_path)
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("JOB_SECONDS", "inf"),  # a worker ended with a traceback
        ("JOB_SECONDS", "1e18"),  # no claim could be stored
        ("FETCH_SECONDS", "1e300"),
        ("DECODE_SECONDS", "inf"),
        ("DECODE_MEMORY_BYTES", str(10**30)),
        ("MAX_BODY_BYTES", str(10**30)),
        ("BODY_MEMORY_BYTES", str(10**30)),
        ("MAX_PIXELS", str(10**30)),
        ("WINDOW", str(10**30)),
        ("RETENTION_DAYS", str(10**12)),
        ("AUDIT_DAYS", str(10**12)),
        ("TAG_PROCESSES", "100000"),
        ("DECODE_PROCESSES", "100000"),
    ],
)
def test_a_number_that_no_process_can_work_with_is_refused_at_the_start(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"TAGGER_{name}: Input should be less than or equal to"):
        load({f"TAGGER_{name}": text}, home=tmp_path)


@pytest.mark.parametrize("given", ["1", "67108864"])
def test_memory_in_which_no_decoder_can_start_is_refused(tmp_path: Path, given: str) -> None:
    """`describe` waited for ever for a decoder, without a word."""
    with pytest.raises(SettingsError, match="TAGGER_DECODE_MEMORY_BYTES: Input should be greater than or equal to 134217728"):
        load({"TAGGER_DECODE_MEMORY_BYTES": given}, home=tmp_path)
