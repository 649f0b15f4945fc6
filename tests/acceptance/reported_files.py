"""What another reader finds in the files that tagger writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from PIL import Image


def descriptions(image: Image.Image) -> set[str]:
    """dc:description of the XMP packet, which readers prefer to IPTC and EXIF."""
    packet = image.info.get("xmp", b"")
    text = packet.decode() if isinstance(packet, bytes) else packet
    found = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)
    return set(re.findall(r"<rdf:li[^>]*>(.*?)</rdf:li>", found[1])) if found else set()


def frames(path: Path) -> list[bytes]:
    found = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(image.convert("RGB").tobytes())
    return found


def sizes(path: Path) -> int:
    """Of all pictures together, as MPF says."""
    with Image.open(path) as image:
        return sum(entry["Size"] for entry in image.mpinfo[0xB002])  # type: ignore[attr-defined]


def terms(path: Path) -> dict[str, Any]:
    categories = yaml.safe_load(path.read_text("utf-8"))["categories"]
    return {name: term for category in categories.values() for name, term in category["terms"].items()}
