"""The result of the demo as a contact sheet: one HTML file that contains the images."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, select_autoescape

from tagger.demo.tour import Shown, text_of
from tagger.errors import TaggerError
from tagger.judge.gate import REASONS
from tagger.services.renditions import Renditions

THUMB = (480, 360)
TITLE = "<title>tagger – contact sheet</title>"  # as the template has it
HEAD_BYTES = 1000


def write_sheet(shown: list[Shown], lead: str, target: Path, renditions: Renditions) -> None:
    template = resources.files("tagger.demo").joinpath("templates/sheet.html").read_text("utf-8")
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    target.write_text(environment.from_string(template).render(lead=lead, cards=[_card(s, renditions) for s in shown]), "utf-8")


def is_sheet(page: Path) -> bool:
    """Whether a file is a contact sheet of an earlier demo."""
    try:
        with page.open("rb") as file:
            return TITLE.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def _card(shown: Shown, renditions: Renditions) -> dict[str, Any]:
    alt = text_of(shown.asset, "alt_text")
    rows = []
    for name, field in (("alt text", "alt_text"), ("caption", "caption")):
        held = shown.asset["fields"].get(field, {}).get("en")
        if held is not None and held["value"]:
            rows.append({"name": name, "text": held["value"], "by": held["writer"]})
        elif proposal := _proposal(shown.job, field):
            rows.append({"name": name, "text": proposal, "by": "for review"})
    if shown.job["error"]:
        rows.append({"name": "error", "text": shown.job["error"]["detail"], "by": shown.job["error"]["code"]})
    tags = tags_of(shown.job)
    if not rows and not tags:
        reasons = [REASONS.get(reason, reason) for reason in (shown.job["verdict"] or {}).get("reasons", [])]
        rows.append({"name": "nothing", "text": " ".join(reasons) or REASONS["nothing_to_say"], "by": "nothing to say"})
    return {"file": shown.file, "image": thumbnail(shown.picture, renditions), "alt": alt, "rows": rows, "tags": tags}


def _proposal(job: dict[str, Any], field: str) -> str | None:
    for annotation in job["annotations"]:
        if annotation["field"] == field and isinstance(annotation["value"], str) and annotation["verdict"]["action"] == "review":
            return str(annotation["value"])
    return None


def tags_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The tags that were published, with their scores."""
    return [
        tag
        for annotation in job["annotations"]
        if isinstance(annotation["value"], list) and annotation["verdict"]["action"] == "publish"
        for tag in annotation["value"]
    ]


def thumbnail(picture: Path, renditions: Renditions) -> str | None:
    """A data: URL. None for an image that does not open, so that the page is still written."""
    try:
        made = renditions.jpeg(picture, THUMB)
    except TaggerError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(made).decode()
