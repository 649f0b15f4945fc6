"""An independent reading of the alt-text rules, for tests only: it imports nothing of the code that it judges.

`faults(text, locale)` names each rule that a text which is offered to a reader breaks, from the table in the documentation.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

LEAD_INS_EN = (
    *("image of", "an image of", "the image of", "this image", "the image shows", "image shows", "photo of", "a photo of"),
    *("photograph of", "a photograph of", "a picture of", "picture of", "the picture shows", "this photo", "this picture"),
    *("in this image", "there is a", "there are", "alt text:"),
)
LEAD_INS_ZH = ("图片中", "照片中", "图中", "这张图片", "这张照片", "图片显示", "圖片中", "照片顯示", "這張圖片", "图像中")
PEOPLE_EN = {"man", "woman", "men", "women", "boy", "girl", "boys", "girls", "lady", "ladies", "guy", "guys", "gentleman"}
PEOPLE_ZH = ("男人", "女人", "男孩", "女孩", "美女", "帅哥")
HEDGES_EN = {"probably", "possibly", "perhaps", "maybe", "apparently", "presumably", "seemingly"}
PRAISE_EN = {"beautiful", "stunning", "gorgeous", "amazing", "breathtaking", "picturesque", "lovely", "adorable"}
PRAISE_ZH = ("美丽的", "漂亮的", "可爱的", "迷人的")
GENERIC = {"a person", "person", "people", "an object", "object", "objects", "something", "thing", "a group of people"}
FILE_NAME = re.compile(r"(?i)\.(jpe?g|png|gif|webp|heic|tiff?|svg)\W*$|^\W*(img|dsc|dscn|pxl|screenshot)[ _-]?\d+\W*$")
EMOJI_RANGES = ((0x1F000, 0x1FAFF), (0x2600, 0x27BF), (0x1F1E6, 0x1F1FF), (0xFE0F, 0xFE0F), (0x20E3, 0x20E3))


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())


def is_han(char: str) -> bool:
    return "CJK UNIFIED" in unicodedata.name(char, "")


def faults(text: str, locale: str = "en", *, final_stop: bool = False) -> list[str]:
    """Rule ids that a text on offer breaks; empty when it is clean. `""` is judged by its caller (A9)."""
    found = [*_form(text, final_stop), *_sense(text)]
    found += _english(text) if locale.split("-")[0] == "en" else _chinese(text) if locale.split("-")[0] == "zh" else []
    return sorted(set(found))


def _form(text: str, final_stop: bool) -> list[str]:
    found = []
    if re.search(r"<[a-zA-Z/!][^>]*>|&[a-z]+;|&#\d+;|https?://|www\.|\*\*|`|\]\(", text):
        found.append("A3")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp") for c in text):
        found.append("A3")
    if any(low <= ord(c) <= high for c in text for low, high in EMOJI_RANGES):
        found.append("A3")
    if text != text.strip() or "  " in text or "\n" in text:
        found.append("A4")
    if text[:1].islower() and text[:1].upper() != text[:1] and not re.match(r"\w*[A-Z]", text) and len(text[:1].upper()) == 1:
        found.append("A4")
    sentences = len(re.findall(r"[.!?。！？](?=\s|$|[\u4e00-\u9fff])", text))
    if not final_stop and sentences == 1 and text.endswith(("。", ".")) and not re.search(r"\w\.\w?\.?$", text[:-1]):
        found.append("A4")
    if final_stop and not text.endswith((".", "!", "?", "…", "。", "！", "？")):
        found.append("A4")
    return found


def _sense(text: str) -> list[str]:
    found = []
    if FILE_NAME.search(text) or not any(c.isalpha() for c in text):
        found.append("A2")
    said = words_of(text)
    if any(a == b and a.isalpha() and a not in ("that", "had") for a, b in pairwise(said)):
        found.append("A7")
    return found


def _english(text: str) -> list[str]:
    found = []
    lowered = text.lower()
    said = set(words_of(text))
    if lowered.startswith(LEAD_INS_EN):
        found.append("A1")
    if lowered.rstrip(".") in GENERIC:
        found.append("A6")
    if said & PEOPLE_EN:
        found.append("A13")
    if said & (HEDGES_EN | PRAISE_EN):
        found.append("A14")
    letters = [c for c in text if c.isalpha()]
    if letters and sum(is_han(c) for c in letters) * 2 > len(letters):
        found.append("A15")
    return found


def _chinese(text: str) -> list[str]:
    found = []
    if text.startswith(LEAD_INS_ZH):
        found.append("A1")
    if any(word in text for word in PEOPLE_ZH):
        found.append("A13")
    if any(word in text for word in PRAISE_ZH):
        found.append("A14")
    if not any(is_han(c) for c in text):
        found.append("A15")
    return found
