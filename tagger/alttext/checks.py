"""Rules that judge a finished text: A2, A5 to A8, A10 to A12. They change nothing."""

from __future__ import annotations

from itertools import pairwise

import regex

from tagger.alttext.form import only_lead_in
from tagger.alttext.text import bare, fold, length, listed, words
from tagger.alttext.types import Ask, Finding
from tagger.locales import language

NONE: tuple[Finding, ...] = ()


def review(reason: str) -> tuple[Finding, ...]:
    return (Finding(action="review", reason=reason),)


def suppress(reason: str) -> tuple[Finding, ...]:
    return (Finding(action="suppress", reason=reason),)


# --- A2 ---------------------------------------------------------------------------------------------------------

EXTENSION = regex.compile(
    r"^\S(?:.*\S)?\.(?:jpe?g|png|gif|webp|avif|heic|heif|tiff?|bmp|svg|raw|cr2|nef|dng|psd|pdf|mp4)$", regex.I
)
CAMERA_NAME = regex.compile(
    r"^(?:img|dsc[nf]?|pxl|mvimg|dji|gopr|p|pict?|image|photo|picture|scan|screen ?shot|whatsapp image|wa|fb ?img|unnamed"
    r"|untitled|file|copy of img|图片|照片|截图|截屏|微信图片|微信截图|圖片|螢幕截圖)"
    r"[\s_()#-]*\d[\d\s_.:()-]*(?:wa\d+|at [\d.]+|copy|edit(?:ed)?|scaled)?$",
    regex.I,
)
SLUG = regex.compile(r"^(?=\S*[_\d])[\p{Latin}\d]+(?:[_-][\p{Latin}\d]+){1,}$|^[0-9a-f]{8,}$", regex.I)
LETTER = regex.compile(r"\p{L}")
PLACEHOLDER = listed(
    "image images photo photos picture pictures pic graphic icon placeholder untitled unnamed alt alt_text caption description "
    "title test none null nil undefined n_a na no_description no_description_available no_caption image_description tbd todo "
    "lorem_ipsum default unknown photo_of image_of picture_of thumbnail banner an_image a_photo a_picture "
    "图片 照片 图像 无 无标题 未命名 占位符 测试 说明 描述 圖片 圖像 無 無標題"
)


def a2_no_file_name(text: str, ask: Ask) -> tuple[Finding, ...]:
    plain = bare(text)
    if EXTENSION.match(plain) or CAMERA_NAME.match(plain) or SLUG.match(plain):
        return suppress("file_name")
    if fold(plain).replace(" ", "_") in PLACEHOLDER or not LETTER.search(plain) or only_lead_in(plain, ask):
        return suppress("placeholder")
    return NONE


# --- A5, A6, A7 -------------------------------------------------------------------------------------------------


def a5_length(text: str, ask: Ask) -> tuple[Finding, ...]:
    size = length(bare(text))
    if size > ask.rules.review_over:
        return review("too_long")
    if size > ask.max_length:
        return (Finding(action="publish", reason="long"),)
    return NONE


GENERIC_EN = regex.compile(
    r"^(?:(?:an?|the|some|several|many|two|three|four|five|six|seven|eight|nine|ten|other|single|small|large|big|close-?up of an?"
    r"|group of|couple of|pair of"
    r"|bunch of|lot of|row of|set of|view of an?)\s+)*"
    r"(?:person|people|child|children|object|objects|thing|things|item|items|something|someone|somebody|stuff|scene|background|animal|animals"
    r"|subject|product|products|view|close-?up|place|entity|artifact|group|structure|device|device|surface|texture|pattern)$",
    regex.I,
)
GENERIC_ZH = regex.compile(
    r"^(?:[一二两兩三四五六七八九十几幾多]?(?:个|個|位|名|群|些|件|张|張|只|隻|种|種)?)(?:人|人们|人們|人物|物体|物體|物品|东西|東西|动物|動物|场景|場景|背景|孩子|产品|產品|画面|畫面)$"
)


def a6_not_generic(text: str, ask: Ask) -> tuple[Finding, ...]:
    pattern = {"en": GENERIC_EN, "zh": GENERIC_ZH}.get(language(ask.locale))
    return review("too_generic") if pattern is not None and pattern.match(bare(text)) else NONE


REPEATED_HAN = regex.compile(r"(\p{Han}{2,})\1|(\p{Han}{5,}).*\2")
MAY_REPEAT = frozenset({"that", "had", "bora", "choo", "cha", "pom"})


def a7_no_repetition(text: str, _ask: Ask) -> tuple[Finding, ...]:
    spoken = words(text)
    trigrams = [tuple(spoken[n : n + 3]) for n in range(len(spoken) - 2)]
    twice = any(a == b and a not in MAY_REPEAT and not a.isdigit() for a, b in pairwise(spoken))
    echo = any(a == c and b in ("and", "or", "of") for a, b, c in trigrams)
    often = any(spoken.count(word) >= max(4, len(spoken) / 5) for word in set(spoken) if len(word) > 3)
    if twice or echo or often or len(set(trigrams)) < len(trigrams) or REPEATED_HAN.search(text):
        return suppress("repetition")
    return NONE


# --- A8, A10, A11, A12 -------------------------------------------------------------------------------------------


LEADING_ARTICLE = regex.compile(r"^(?:an?|the) ")


def a8_not_redundant(text: str, ask: Ask) -> tuple[Finding, ...]:
    supplied = {fold(s) for s in (ask.context.title, ask.context.caption) if s}
    mine = fold(text)
    leads = (mine, LEADING_ARTICLE.sub("", mine))
    nearby = supplied | {LEADING_ARTICLE.sub("", s) for s in supplied}
    return review("redundant") if any(form in nearby for form in leads) else NONE


READS = regex.compile(
    r"\b(?:says|that reads?|saying|reading|with the (?:words?|text|letters))\s*[:,]?\s*[\"'“‘«\p{Lu}\d]"
    r"|写着|寫著|写有|寫有|字样|字樣"
)


QUOTED = regex.compile(r"[\"“「『]([^\"”」』]*)[\"”」』]")


def a10_text_in_picture(text: str, ask: Ask) -> tuple[Finding, ...]:
    """A text that quotes all that was read needs nobody to read it."""
    declared, detected = ask.context.contains_text, ask.facts.contains_text
    if detected and _quotes(text, ask.facts.lines):
        return NONE
    if declared or detected or READS.search(text):
        return review("contains_text")
    if declared is None and detected is None:
        return (Finding(action="publish", reason="text_unchecked"),)
    return NONE


def _quotes(text: str, lines: tuple[str, ...]) -> bool:
    """Whether the lines stand in the text, between quotation marks, in their order, and nothing else does."""
    return bool(lines) and [fold(said) for said in QUOTED.findall(text)] == [fold(" ".join(lines))]


def a11_purpose(_text: str, ask: Ask) -> tuple[Finding, ...]:
    return review("needs_purpose") if ask.context.role in ("link", "button", "logo") else NONE


COMPLEX = listed(
    "chart charts graph graphs map maps diagram diagrams infographic infographics flowchart flowcharts plot histogram schematic "
    "blueprint timeline spreadsheet"
)
NOT_HEAD = regex.compile(r"^(?:on|in|with|at|by|near|and|or|that|which|showing|of|for|to|an?|the|\w+ing)$")
COMPLEX_ZH = regex.compile(
    r"(?:图表|地图|流程图|示意图|折线图|柱状图|饼图|结构图|信息图|曲线图|平面图|圖表|地圖|流程圖|示意圖|折線圖|柱狀圖|圓餅圖|結構圖|資訊圖|平面圖)"
)


def a12_complex(text: str, ask: Ask) -> tuple[Finding, ...]:
    """A chart is what the picture *is*, by its pixels or where the word stands in the first noun phrase: "a person reading a map"
    is none."""
    if ask.facts.kind in ("chart", "map"):
        return review("needs_long_description")
    if language(ask.locale) == "zh":
        is_complex = COMPLEX_ZH.search(text) is not None and not regex.search(
            r"[看读讀拿]\p{Han}{0,3}(?:地图|地圖|图表|圖表)", text
        )
    else:
        head = words(text)
        head = head[1:] if head[:1] and head[0] in ("a", "an", "the") else head
        end = next((n for n, word in enumerate(head) if NOT_HEAD.match(word)), len(head))
        is_complex = language(ask.locale) == "en" and bool(COMPLEX & set(head[:end]))
    return review("needs_long_description") if is_complex else NONE
