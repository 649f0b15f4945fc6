"""Rewrites of form: A1 lead-ins, A3 what is no text, A4 case and stops, A5 length. They shorten, change case, or add the stop."""

from __future__ import annotations

import html
import unicodedata

import regex

from tagger.alttext.text import ABBREVIATION, CJK, CJK_CHAR, STOPS, bare, length
from tagger.alttext.types import Ask, Finding
from tagger.locales import language

# --- A3 ---------------------------------------------------------------------------------------------------------

HIDDEN_ELEMENT = regex.compile(r"<(script|style|head|title|template)\b[^<>]*>.*?</\1\s*>", regex.I | regex.S)
TAG = regex.compile(r"<!--.*?-->|</?[a-zA-Z!?][^<>]*>", regex.S)
ENTITY = regex.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
MARKDOWN_LINK = regex.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
MARKDOWN_MARK = regex.compile(r"\*\*|__|~~|`+|(?<![\w*])\*(?=\w)|(?<=\w)\*(?![\w*])|(?m:^\s*(?:#{1,6}|[-*+•])\s+)")
URL = regex.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.|(?:javascript|data|mailto|vbscript):)[\x21-\x7e]*"
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w"
    r"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|info|biz|cn|co\.uk|de|fr|jp|ru|tv)\b(?:/[\x21-\x7e]*)?",
    regex.I,
)
EMOJI = regex.compile(r"[\p{Extended_Pictographic}\U0001F1E6-\U0001F1FF\U0001F3FB-\U0001F3FF]")
INVISIBLE = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]")
FORMAT = regex.compile(r"[\p{Cf}\uFE00-\uFE0F\u20E3\U000E0100-\U000E01EF]")
# Joiners that shape letters of Arabic and Indic scripts are spelling; anywhere else they only hide.
SHAPED = r"[\p{Arabic}\p{Devanagari}\p{Bengali}\p{Tamil}\p{Sinhala}\p{Malayalam}]"
JOINER = regex.compile(rf"(?<={SHAPED})[\u200c\u200d](?={SHAPED})")
# Words of ASCII letters and digits with single blanks between them, as nearly all captions are: A3 has nothing to do there.
WORD_OF_ASCII = r"[A-Za-z0-9(][A-Za-z0-9,'()-]*"
NOTHING_ELSE = regex.compile(rf"{WORD_OF_ASCII}(?: {WORD_OF_ASCII})*+(?:(?<![wW]{{3}})\.)?")


def a3_plain_text(text: str, _ask: Ask) -> str:
    """No markup, address, control character, emoji or line break; safe for any place in a page."""
    return text if NOTHING_ELSE.fullmatch(text) else _plain_text(text)


def _plain_text(text: str) -> str:
    text = ENTITY.sub(lambda m: html.unescape(m[0]), text)  # first: "&lt;b&gt;" is markup too
    text = HIDDEN_ELEMENT.sub(" ", text)
    text = TAG.sub(" ", text)
    text = MARKDOWN_LINK.sub(r"\1", text)
    text = URL.sub(" ", text)
    text = MARKDOWN_MARK.sub("", text)
    text = EMOJI.sub(" ", INVISIBLE.sub(" ", text))
    text = _without_format(text)
    text = text.replace("<", " ").replace(">", " ").replace("\\", " ")
    return collapse(unicodedata.normalize("NFC", text))


def _without_format(text: str) -> str:
    spelling = {m.start() for m in JOINER.finditer(text)}
    return FORMAT.sub(lambda m: m[0] if m.start() in spelling else "", text)


BLANKS = regex.compile(r"\s+")
NO_BLANK = regex.compile(
    r" (?=[,.;:!?，。；：！？、)\]](?:\s|$))"
    r"|(?<=\w) (?=['’]s\b)"  # OFA's tokens: "cat 's"
    r"|(?<=[\p{Han}\p{Hiragana}\p{Katakana}，。、；：]) (?=[\p{Han}\p{Hiragana}\p{Katakana}，。、；：])"
)


def collapse(text: str) -> str:
    """Single blanks, none at the ends or before punctuation, none between Chinese or Japanese characters."""
    return NO_BLANK.sub("", BLANKS.sub(" ", text).strip())


# --- A1 ---------------------------------------------------------------------------------------------------------

PLAIN = r"(?:image|photo|photograph|picture|pic|snapshot)s?"
SHOWS = (
    r"(?:of|showing|shows?|showcas(?:ing|es)|depicting|depicts?|featuring|features?|displaying|displays?|portraying|portrays?"
    r"|captur(?:ing|es)|containing|contains?|illustrat(?:ing|es)|presents?|with|about)\b"
)
LEAD_EN = (
    regex.compile(r"(?:alt(?:ernative)?[ -]?text|alt|caption|description|image description)\s*[:=]\s*", regex.I),
    regex.compile(
        r"(?:(?:in\s+)?(?:this|the|that|these|an?)\s+)?(?:(?:stock|digital|colou?r(?:ed)?|royalty-free|close)\s+)*"
        rf"{PLAIN}\s*(?:(?:that\s+)?(?:(?:is|are)\s+)?{SHOWS}|[,:;–—-](?=\s)|(?=there\s+(?:is|are)\b|(?:we|you)\s+(?:can\s+)?see\b))\s*",
        regex.I,
    ),
    regex.compile(r"there\s+(?:is|are)\s+(?=\w)", regex.I),
    regex.compile(r"(?:we|you)\s+(?:can\s+)?see\s+(?=\w)", regex.I),
    regex.compile(r"(?:it|this|here)\s+is\s+(?=(?:an?|the|some|two|three)\s)", regex.I),
)
PICTURE_ZH = r"(?:图片|照片|图像|相片|影像|画面|圖片|圖像|畫面)"
INSIDE_ZH = r"(?:(?:中|里|裡|裏)(?![心央间間])|(?:内|內)(?!容)|上(?![方面下衣]))"
VERB_ZH = r"(?:显示|展示|描绘|呈现|展现|描述|拍摄|顯示|描繪|呈現|展現|拍攝)(?:的是|了|着|著|出)?"
LEAD_ZH = (
    regex.compile(
        rf"在?(?:[这那该此本這該])?一?[张幅張]?{PICTURE_ZH}"
        rf"(?:{INSIDE_ZH}(?:主要)?(?:{VERB_ZH}|有着?|是|为|為|的(?!是))?|(?:主要)?{VERB_ZH}|的?(?:内容|內容)?[是为為]|(?=[：:，,]))[：:，,、]?\s*"
    ),
    regex.compile(rf"[图圖](?:(?:[中里裡裏]|上)(?![心央间間方面])(?:{VERB_ZH}|有|是|为|為)?|[为為])[：:，,、]?\s*"),
)
WRAP_ZH = regex.compile(rf"(?:这是|這是)?一[张幅張](\S.*?)的{PICTURE_ZH}(?=[。.]?$)")


def only_lead_in(text: str, ask: Ask) -> bool:
    """ "Image of" with nothing behind it."""
    leads = {"en": LEAD_EN, "zh": LEAD_ZH}.get(language(ask.locale), ())
    return any(lead.fullmatch(text) for lead in leads)


def a1_no_lead_in(text: str, ask: Ask) -> str:
    """Without "image of". A medium that matters (painting, screenshot, map, black and white photo) stays."""
    leads = {"en": LEAD_EN, "zh": LEAD_ZH}.get(language(ask.locale), ())
    for lead in leads:
        match = lead.match(text)
        if match and match.end() < len(text):
            text = text[match.end() :]
    if language(ask.locale) == "zh":
        text = WRAP_ZH.sub(r"\1", text) if WRAP_ZH.match(text) else text
    return text.strip()


SPEAKS_OF_ITSELF = {
    "en": regex.compile(
        rf"(?:(?:this|the|these)\s+{PLAIN}|in\s+(?:this|the)\s+{PLAIN})\b(?!\s+(?:frame|book|window|album))", regex.I
    ),
    "zh": regex.compile(rf"(?:[这该此本這該][张幅張]?|在){PICTURE_ZH}|{PICTURE_ZH}[中里裡]"),
}


def a1_speaks_of_itself(text: str, ask: Ask) -> tuple[Finding, ...]:
    """A lead-in that no grammar let us strip, as in "This photo was taken at night"."""
    pattern = SPEAKS_OF_ITSELF.get(language(ask.locale))
    return (Finding(action="review", reason="lead_in"),) if pattern is not None and pattern.match(text) else ()


# --- A4 ---------------------------------------------------------------------------------------------------------

ARTICLE = regex.compile(
    r"(?:an?|the)\s+(?!(?:few|lot|lots|couple|little|bit|great|good|number|hundred|dozen)\b)(?=[\p{L}\p{N}])", regex.I
)
FIRST_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’-]+")
LONG_WORD = regex.compile(r"\p{L}{4,}")
INNER_STOP = regex.compile(rf"[{regex.escape(STOPS)}](?=\s|[{CJK}])")
DANGLING = regex.compile(r"[\s,;:、，；：–—-]+$")
TURKIC = ("tr", "az")


def a4_form(text: str, ask: Ask) -> str:
    """Sentence case, no leading article outside captions, and the final stop that the profile wants."""
    text = DANGLING.sub("", collapse(text))
    if ask.field != "caption" and language(ask.locale) == "en":
        text = ARTICLE.sub("", text, count=1) if ARTICLE.match(text) else text
    return _stop(_sentence_case(text, ask), ask)


def _sentence_case(text: str, ask: Ask) -> str:
    if _shouted(text) and not any(name in text for name in ask.names):
        text = text.lower()
    match = FIRST_WORD.search(text)
    if match is None:
        return text
    word, first = match[0], match[0][0]
    is_name = any(text.startswith(name, match.start()) for name in ask.names)
    if is_name or word != word.lower() or CJK_CHAR.match(first) or (first == "i" and language(ask.locale) in TURKIC):
        return text
    upper = first.upper()
    if len(upper) != 1 or upper.lower() != first:  # "ß" has no capital of one letter
        return text
    return text[: match.start()] + upper + text[match.start() + 1 :]


def _shouted(text: str) -> bool:
    letters = [c for c in text if c.lower() != c.upper()]
    return len(letters) >= 8 and all(c == c.upper() for c in letters) and len(LONG_WORD.findall(text)) >= 2


def _stop(text: str, ask: Ask) -> str:
    if not text:
        return text
    inner = INNER_STOP.search(text[:-1]) is not None
    if ask.final_stop:
        if text[-1] in STOPS:
            return text
        return text + ("。" if CJK_CHAR.search(text[-1]) else ".")
    return text if inner or ABBREVIATION.search(text) else DANGLING.sub("", bare(text))


# --- A5 ---------------------------------------------------------------------------------------------------------

CLAUSE = regex.compile(
    r"(?<=[.!?。！？])\s*(?=\S)|\s*[,;，；、](?=\s|[" + CJK + r"])|\s+[–—-]\s+|:\s+|\s+(?:while|which|where|who|as|with|and)\s+",
    regex.I,
)
LEAST_WORDS = 3


def a5_short(text: str, ask: Ask) -> str:
    """Over the limit, trailing clauses go until it fits; where none can go the text stays whole. Never a cut inside a word."""
    if length(bare(text)) <= ask.max_length or length(bare(text)) > ask.rules.review_over:
        return text
    for cut in reversed([m.start() for m in CLAUSE.finditer(text)]):
        head = text[:cut].rstrip()
        if length(head) <= ask.max_length:
            enough = len(head.split()) >= LEAST_WORDS or (length(head) >= 6 and CJK_CHAR.search(head) is not None)
            return head if enough else text
    return text
