"""Asset: one image of one site, and where its bytes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

SourceKind = Literal["url", "blob", "file"]
# blank: one colour all over, or fully transparent · hidden: not blank, but what the models get of it is of one colour
Content = Literal["shown", "blank", "hidden"]

# What kind of picture it is. icon: also a logo · chart: also a diagram · document: also its scan
PictureKind = Literal["photograph", "illustration", "icon", "chart", "screenshot", "document", "medical", "map"]
PICTURE_KINDS: tuple[PictureKind, ...] = get_args(PictureKind)


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where the bytes of an image are.

    kind `url`: fetched over HTTP by the rules of the site · `blob`: uploaded to us, kept until the job ends ·
    `file`: a path inside a folder that a person named on the command line; never accepted over HTTP.
    """

    kind: SourceKind
    location: str  # the URL, the blob's key, or the absolute path
    root: str = ""  # kind file: the folder that the path must stay inside, links resolved
    sha256: str = ""  # kind blob: of the bytes, hex; the same bytes sent twice are the same version

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "location": self.location, "root": self.root, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, body: Mapping[str, str]) -> ImageSource:
        return cls(**{k: body[k] for k in ("kind", "location", "root", "sha256") if k in body})  # type: ignore[arg-type]


Role = Literal["informative", "decorative", "link", "button", "logo", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the CMS already knows about the image's use. Pixels cannot tell any of it."""

    role: Role = "unknown"
    title: str | None = None
    caption: str | None = None
    contains_text: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"role": self.role, "title": self.title, "caption": self.caption, "contains_text": self.contains_text}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Context:
        return cls(**{k: body[k] for k in ("role", "title", "caption", "contains_text") if k in body})
