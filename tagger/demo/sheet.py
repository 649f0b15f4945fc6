"""The result of the demo as a contact sheet: one HTML file that contains the images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape

from tagger.demo.words import STANDINGS, STATES, Shown, text_of, totals, words_of
from tagger.errors import TaggerError
from tagger.services.renditions import Renditions

THUMB = (640, 480)
TITLE = "<title>tagger – contact sheet</title>"  # as the template has it
HEAD_BYTES = 1000


def write_sheet(shown: Sequence[Shown], lead: str, target: Path, renditions: Renditions) -> None:
    template = resources.files("tagger.demo").joinpath("templates/sheet.html").read_text("utf-8")
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    values = {"lead": lead, "totals": totals(map(words_of, shown)), "states": STATES, "standings": STANDINGS}
    page = environment.from_string(template).render(**values, cards=[_card(one, renditions) for one in shown])
    target.write_text(page, "utf-8")


def is_sheet(page: Path) -> bool:
    """Whether a file is a contact sheet of an earlier demo."""
    try:
        with page.open("rb") as file:
            return TITLE.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def _card(shown: Shown, renditions: Renditions) -> dict[str, Any]:
    alt = text_of(shown.asset, "alt_text")
    return {"file": shown.file, "image": thumbnail(shown.picture, renditions), "alt": alt, "words": words_of(shown)}


def thumbnail(picture: Path, renditions: Renditions) -> str | None:
    """A data: URL. None for an image that does not open, so that the page is still written."""
    try:
        made = renditions.jpeg(picture, THUMB)
    except TaggerError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(made).decode()
