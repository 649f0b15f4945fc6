"""The Chinese pages have the commands, the figures and the targets of the English ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAIRS = {"README.md": "README.zh-CN.md", "docs/quick-start.md": "docs/zh/quick-start.md"}
pairs = pytest.mark.parametrize(("english", "chinese"), PAIRS.items(), ids=["readme", "quick-start"])


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(page: str) -> list[str]:
    """The lines of all code blocks, without their comments."""
    blocks = re.findall(r"^```\n(.*?)^```", page, flags=re.M | re.S)
    return [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]


def rows(page: str) -> list[str]:
    """The rows of the table of figures."""
    return re.findall(r"^\| \*\*.*\d.*\|$", page.partition("\n## ")[2], flags=re.M)


@pairs
def test_the_commands_are_the_same(english: str, chinese: str) -> None:
    assert len(commands(text(english))) > 10
    assert commands(text(chinese)) == commands(text(english))


@pairs
def test_each_page_links_to_the_other(english: str, chinese: str) -> None:
    for page, other in ((english, chinese), (chinese, english)):
        targets = re.findall(r"\]\(([^)#]+)\)", text(page))
        assert (ROOT / other).resolve() in {((ROOT / page).parent / target).resolve() for target in targets}


def test_the_figures_are_the_same() -> None:
    english, chinese = (
        [sorted(re.findall(r"\d[\d,.]*\d|\d", row)) for row in rows(text(name)) if "](docs/" in row]
        for name in ("README.md", "README.zh-CN.md")
    )
    assert len(english) > 5
    assert chinese == english


@pairs
def test_every_link_and_section_exists(english: str, chinese: str) -> None:
    for page in (english, chinese):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text(page)):
            assert ((ROOT / page).parent / target).exists(), target
