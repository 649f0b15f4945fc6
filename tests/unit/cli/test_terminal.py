"""Output on a terminal: no control characters, no password, and no cut id."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table

from tagger.cli import columns, console
from tagger.cli.commands import config
from tagger.errors import BadRequest
from tagger.settings import load
from tagger.telemetry import logs
from tagger.telemetry.control_characters import escape_cell, escape_controls, escape_json
from tagger.telemetry.masking import mask_passwords

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\x9b2J\x7f\r\u202egnp\u2066x\u2069\u200f\u2028\udcff\U000e0041 猫 👩\u200d👧"
JOB = "job_" + "0" * 26


def steers(text: str) -> list[str]:
    return [
        c for c in text if (unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t") or c in "\u202e\u2066\u200f"
    ]


@given(st.text())
def test_nothing_that_steers_is_left_and_all_else_stays(text: str) -> None:
    for escaped in (escape_controls(text), escape_cell(text)):
        assert steers(escaped) == []
    assert "\n" not in escape_cell(text)
    plain = "".join(c for c in text if c.isprintable())
    assert escape_cell(plain) == plain


@given(st.text(alphabet=st.characters()))
def test_json_keeps_its_value(text: str) -> None:
    line = escape_json(json.dumps({"asset": text}, ensure_ascii=False))
    assert json.loads(line) == {"asset": text}
    assert steers(line) == []


def test_joined_emoji_and_other_scripts_are_shown_as_they_are() -> None:
    assert escape_cell("猫 👩\u200d👧 é می\u200cخواهم") == "猫 👩\u200d👧 é می\u200cخواهم"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 80 columns gets, on either stream."""
    screen = io.StringIO()
    lines = console.Lines(force_terminal=True, width=80, no_color=True, file=screen, highlight=False, markup=False, emoji=False)
    monkeypatch.setattr(console, "out", lines)
    monkeypatch.setattr(console, "err", lines)
    return screen


def test_every_way_to_the_terminal_is_safe(shown: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_row(HOSTILE)
    console.out.print(HOSTILE)
    console.out.print(table)
    console.print_table([{"id": JOB, "asset": HOSTILE}], ["id", "asset"], "")
    console.complain(BadRequest(HOSTILE, HOSTILE))
    console.print_json({"asset": HOSTILE})
    text = shown.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[1;31m", "")  # our own bold
    assert steers(text) == []
    assert "\\x1b[31mred" in text
    printed = capsys.readouterr().out
    assert (steers(printed), json.loads(printed)) == ([], {"asset": HOSTILE})


@pytest.mark.parametrize("form", ["console", "json"])
def test_logs_are_safe(form: Any, tmp_path: Path) -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    logs.configure(load({}, home=tmp_path, log_format=form), "test", stream=stream)
    try:
        structlog.get_logger().warning("job.failed", asset=HOSTILE, hosts=[HOSTILE], url="redis://:hunter2@h/0")
        try:
            raise ValueError(HOSTILE.replace("\udcff", "") + " redis://:hunter2@h/0 /v1/traces?api_key=hunter2")
        except ValueError:
            structlog.get_logger().exception("job.raised")
        logging.getLogger("of.a.library").warning("said %s", HOSTILE.replace("\udcff", ""))
    finally:
        logging.getLogger().handlers[:] = before
        structlog.contextvars.clear_contextvars()
    text = stream.getvalue()
    assert "gnp" in text
    assert steers(text) == []
    assert "hunter2" not in text
    if form == "console":
        assert "Traceback" in text
    else:
        assert json.loads(text.splitlines()[0])["asset"] == HOSTILE


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql+psycopg://tagger:hunter2@db:5432/tagger", "postgresql+psycopg://tagger:***@db:5432/tagger"),
        ("redis://:hunter2@redis:6379/0", "redis://:***@redis:6379/0"),
        ("redis://:hu@nt/er2@redis:6379/0", "redis://:***@redis:6379/0"),
        ("sentinel://:hunter2@a:1;sentinel://:hunter2@b:1", "sentinel://:***@a:1;sentinel://:***@b:1"),
        ("https://hunter2@events.example/x", "https://***@events.example/x"),
        ("https://events.example/x?a=1&access_token=hunter2&b=2", "https://events.example/x?a=1&access_token=***&b=2"),
        ("postgresql://db/tagger?user=u&password=hunter2", "postgresql://db/tagger?user=u&password=***"),
        ("postgresql://tagger@db/tagger", "postgresql://tagger@db/tagger"),
        ("sqlite:////home/me@work/ledger.sqlite", "sqlite:////home/me@work/ledger.sqlite"),
        ("redis+socket:///home/x:y/broker.sock", "redis+socket:///home/x:y/broker.sock"),
        ("no url: with@sign", "no url: with@sign"),
        ("with url: /v1/traces?api_key=hunter2 (Caused by", "with url: /v1/traces?api_key=*** (Caused by"),
        ("/x?next=/y?token=hunt?er2&b=2", "/x?next=/y?token=***&b=2"),
        ("/x?a=1&b=2", "/x?a=1&b=2"),
    ],
)
def test_passwords_within_urls_are_masked(url: str, masked: str) -> None:
    assert mask_passwords(url) == masked


def test_config_show_prints_no_password(
    shown: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = load({}, ledger_url="postgresql://u:hunter2@db/t", broker_url="redis://:hunter2@r/0", admin_key="hunter2",
                  events_url="https://e.example/?token=hunter2")  # fmt: skip
    monkeypatch.setattr(console, "settings", lambda: chosen)
    config.show()
    config.show(json=True)
    assert "hunter2" not in shown.getvalue() + capsys.readouterr().out


ASSET = "2024/holidays in the south/" + "IMG_2034-very-long-name/" * 3 + "a.jpg"
ROWS: list[dict[str, Any]] = [
    {"id": JOB, "status": "superseded", "lane": "backfill", "site": "blog", "attempts": 1, "created_at": "2026-11-21T09:30:01Z",
     "asset": {"id": "4711"}},
    {"id": JOB, "status": "done", "lane": "upload", "site": "blog", "attempts": 12, "created_at": "2026-11-21T09:30:01Z",
     "asset": {"id": ASSET}},
]  # fmt: skip
COLUMNS = ["id", "status", "lane", "site", "attempts", "created_at", "asset"]
DROP = ["attempts", "lane", "created_at", "site"]


def test_a_narrow_table_leaves_out_what_matters_least_and_cuts_no_id() -> None:
    header, *short = columns.table_lines(ROWS[:1], COLUMNS, 80, drop=DROP)
    assert header.split() == ["id", "status", "site", "created", "at", "asset"]
    assert all(cell_len(line) <= 80 for line in (header, *short))
    header, *long = columns.table_lines(ROWS, COLUMNS, 80, drop=DROP)
    assert header.split() == ["id", "status", "site", "asset"], "one long id costs no other column more than it must"
    assert [line.split()[0] for line in long] == [JOB, JOB]
    assert long[1].endswith(ASSET), "it is whole, and the terminal wraps it"
    assert JOB in long[0]
    (wide, *_) = columns.table_lines(ROWS, COLUMNS, None, drop=DROP)
    assert wide.split() == ["id", "status", "lane", "site", "attempts", "created", "at", "asset"], "a pipe gets all"


def test_prose_moves_below_its_row() -> None:
    rows = [{"id": JOB, "code": "image_unreadable", "detail": "The URL returned HTML, not an image. " * 3}]
    header, row, *prose = columns.table_lines(rows, ["id", "code", "detail"], 80, prose="detail")
    assert (header.split(), row.split()) == (["id", "code"], [JOB, "image_unreadable"])
    assert " ".join(" ".join(prose).split()) == rows[0]["detail"].strip()
    assert all(line.startswith("    ") and cell_len(line) <= 80 for line in prose)
    header, row = columns.table_lines([{**rows[0], "detail": "Short."}], ["id", "code", "detail"], 80, prose="detail")
    assert row.endswith("Short.")


def test_wide_characters_keep_columns_straight() -> None:
    rows = [{"name": "猫猫", "id": "a"}, {"name": "ab", "id": "b"}]
    assert list(columns.table_lines(rows, ["name", "id"], 80)) == ["name  id", "猫猫  a", "ab    b"]
