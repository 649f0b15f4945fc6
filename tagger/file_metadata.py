"""What a file says about itself: caption, keywords, alt text, title, date, orientation, each with its source. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tagger.asset import Context

Source = Literal["xmp", "iptc", "exif", "comment"]  # comment: a text field of the format itself, in JPEG, GIF and PNG


@dataclass(frozen=True, kw_only=True)
class Said:
    """A text and who said it."""

    text: str
    source: Source
    locale: str = ""  # BCP 47 where the block names one


@dataclass(frozen=True, kw_only=True)
class FileMetadata:
    caption: Said | None = None
    alt_text: Said | None = None
    title: Said | None = None
    keywords: tuple[Said, ...] = ()
    taken: Said | None = None  # ISO 8601; without a zone where the file names none
    orientation: int = 1  # EXIF, 1..8
    warnings: tuple[str, ...] = ()


def beside(context: Context, said: FileMetadata) -> Context:
    """The context, with what the file says where the CMS said nothing. A file's alt text stands for a missing caption."""
    own = said.caption or said.alt_text
    return replace(
        context,
        caption=context.caption if context.caption is not None else own.text if own else None,
        title=context.title if context.title is not None else said.title.text if said.title else None,
    )


def told(context: Context, said: FileMetadata) -> tuple[str, ...]:
    """What was read from the file and taken as context, each with its source, as a person reads it in the job."""
    used = [("caption", said.caption or said.alt_text, context.caption), ("title", said.title, context.title)]
    parts = [f"{name} ({one.source})" for name, one, supplied in used if one is not None and supplied is None]
    if said.keywords:
        parts.append(f"{len(said.keywords)} keywords ({', '.join(sorted({k.source for k in said.keywords}))})")
    if said.taken is not None:
        parts.append(f"taken {said.taken.text} ({said.taken.source})")
    read = (f"Read from the file as context: {'; '.join(parts)}.",) if parts else ()
    return (*read, *said.warnings)
