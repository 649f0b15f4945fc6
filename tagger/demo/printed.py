"""What the demo prints of its images: a block for each, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from tagger.demo.words import STATES, Shown, Words, words_of

COLOURS = {"published": "green", "proposed": "yellow", "editor": "yellow", "failed": "red"}
LABEL_WIDTH = 8  # of the longest label
INDENT = 3


def blocks(shown: Sequence[Shown]) -> Iterator[Table]:
    """A heading with the file and the state, then what is said. Long lines stay in their column."""
    for one in shown:
        words = words_of(one)
        yield _heading(one.file, words)
        yield _rows(words)


def indented(text: str) -> Table:
    """One paragraph, whose further lines are indented too."""
    made = Table.grid(padding=0)
    made.add_column(width=INDENT)
    made.add_column(overflow="fold")
    made.add_row("", Text(text))
    return made


def _heading(file: str, words: Words) -> Table:
    made = Table.grid(expand=True, padding=(0, 1))
    made.add_column(overflow="fold", ratio=1, style="bold")
    made.add_column(justify="right", no_wrap=True, style=COLOURS.get(words.state, "dim"))
    made.add_row(Text(file), STATES[words.state])
    return made


def _rows(words: Words) -> Table:
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(width=INDENT - 2)
    made.add_column(width=LABEL_WIDTH, no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for line in words.lines:
        said = Text(line.text)
        said.append(f"  {words.told(line)}", style="dim")
        made.add_row("", line.name, said)
    if words.why:
        made.add_row("", "why", Text(" ".join(words.why)))
    if words.tags:
        made.add_row("", "tags", Text(", ".join(f"{tag['label']} {tag['score']:.2f}" for tag in words.tags)))
    return made
