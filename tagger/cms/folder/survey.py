"""A folder before the work: how many images it holds, and which files are skipped, with the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tagger.cms.folder.walk import readable, walk

NAMED = 3  # names that the sentence gives for each reason


@dataclass(kw_only=True)
class Survey:
    pictures: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # of what was left out, by the reason
    names: dict[str, list[str]] = field(default_factory=dict)  # the first few of each

    def add(self, why: str, name: str) -> None:
        self.counts[why] += 1
        named = self.names.setdefault(why, [])
        if len(named) < NAMED:
            named.append(name)

    def sentence(self) -> str:
        """What was left out, for the last line; empty where nothing was."""
        reasons = "; ".join(self._told(why) for why in self.counts)
        return f"Skipped: {reasons}." if reasons else ""

    def _told(self, why: str) -> str:
        rest = self.counts[why] - len(self.names[why])
        return f"{self.counts[why]} × {why} ({', '.join(self.names[why])}{f', and {rest} more' if rest else ''})"


def survey(folder: Path) -> Survey:
    """Errors: BadRequest if it is no readable folder."""
    made = Survey()
    made.pictures = sum(1 for _ in walk(readable(folder), left_out=made.add))
    return made
