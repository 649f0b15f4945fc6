"""The plugin for WordPress explains the reasons that tagger really gives."""

from __future__ import annotations

import re
from pathlib import Path

from tagger.judge.gate import REASONS

REVIEW = Path(__file__).parents[3] / "integrations/wordpress/tagger/includes/class-review.php"


def test_every_reason_that_the_plugin_explains_is_one_of_taggers() -> None:
    body = REVIEW.read_text("utf-8").split("function reason(")[1].split("return")[0]
    explained = set(re.findall(r"'(\w+)'\s*=>", body))
    assert "low_score" in explained
    assert explained <= set(REASONS), explained - set(REASONS)
