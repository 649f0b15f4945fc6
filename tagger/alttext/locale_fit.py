"""A15: does the text fit the locale's script, and do its numbers fit what the detector counted?"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import regex

from tagger.alttext.text import listed
from tagger.alttext.types import Ask, Finding
from tagger.locales import chinese_script, language

SCRIPTS: Mapping[str, str] = {
    **dict.fromkeys(
        listed(
            "en fr de es it pt nl sv no nb nn da fi is pl cs sk sl hr hu ro tr az id ms vi et lv lt ca eu gl cy ga mt sq af sw"
        ),
        "Latin",
    ),
    **dict.fromkeys(listed("ru uk bg be mk kk ky mn"), "Cyrillic"),
    **dict.fromkeys(listed("ar fa ur ps"), "Arabic"),
    **dict.fromkeys(listed("hi mr ne"), "Devanagari"),
    "zh": "Han",
    "ja": "Japanese",
    "ko": "Hangul",
    "el": "Greek",
    "he": "Hebrew",
    "th": "Thai",
    "hy": "Armenian",
}
CLASSES: Mapping[str, str] = {"Japanese": r"\p{Han}\p{Hiragana}\p{Katakana}ー"}
# A foreign word (a brand) weighs as much as one Chinese character; a text is foreign when most of it is.
UNIT = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー]|[\p{Hangul}]+|[^\P{L}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]+")

# Characters that only one of the two ways to write Chinese uses; frequent ones are enough to tell a text.
PAIRS = (
    "们們这這来來个個国國时時说說为為会會过過还還对對开開关關见見门門问問间間车車马馬鸟鳥鱼魚东東书書长長张張图圖红紅绿綠蓝藍发發头頭脸臉爱愛"
    "树樹叶葉园園飞飛机機楼樓桥橋边邊队隊员員师師学學习習体體电電脑腦视視听聽话話语語读讀写寫买買卖賣钱錢银銀铁鐵灯燈猫貓两兩儿兒"
)
ONLY_HANS, ONLY_HANT = frozenset(PAIRS[0::2]), frozenset(PAIRS[1::2])

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS_ZH: Mapping[str, int] = {
    "一": 1,
    "二": 2,
    "两": 2,
    "兩": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}
COUNTED = listed(
    "person bicycle car motorcycle airplane bus train truck boat bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "umbrella suitcase kite skateboard surfboard bottle cup knife bowl banana apple sandwich orange pizza donut cake chair couch "
    "bed laptop book clock vase"
)
PLURAL: Mapping[str, str] = {
    "person": "people",
    "bus": "buses",
    "sheep": "sheep",
    "bench": "benches",
    "knife": "knives",
    "couch": "couches",
    "sandwich": "sandwiches",
}
NOUNS: Mapping[str, str] = {
    **{PLURAL.get(n, n + "s"): n for n in COUNTED},
    "men": "person", "women": "person", "children": "person", "persons": "person", "kids": "person", "planes": "airplane",
    "airplanes": "airplane", "bikes": "bicycle", "boats": "boat", "cows": "cow", "phones": "cell phone", "skiers": "person",
}  # fmt: skip
NOUNS_ZH: Mapping[str, str] = {
    "人": "person",
    "孩子": "person",
    "猫": "cat",
    "貓": "cat",
    "狗": "dog",
    "马": "horse",
    "馬": "horse",
    "鸟": "bird",
    "鳥": "bird",
    "羊": "sheep",
    "牛": "cow",
    "大象": "elephant",
    "熊": "bear",
    "汽车": "car",
    "汽車": "car",
    "自行车": "bicycle",
    "船": "boat",
    "飞机": "airplane",
    "飛機": "airplane",
}
COUNT_EN = regex.compile(
    rf"\b({'|'.join(NUMBERS[2:])}|[2-9]|1[0-9])\s+(?:(?!(?:of|and|or|with|in|on|by|to|from|at|the|an?)\b)[\p{{L}}-]+\s+){{0,2}}?({'|'.join(NOUNS)})\b",
    regex.I,
)
COUNT_ZH = regex.compile(
    rf"([{''.join(NUMBERS_ZH)}])[只隻个個条條辆輛匹头頭名位艘架](?:[\p{{Han}}]{{1,4}}的)?({'|'.join(NOUNS_ZH)})(?!\p{{Han}}*的\p{{Han}}{{1,2}}$)"
)
SURE_UP_TO = 4  # above it detectors miss some of a crowd: then only half or double contradicts


def a15_fits(text: str, ask: Ask) -> tuple[Finding, ...]:
    findings = [Finding(action="review", reason="wrong_script")] if wrong_script(text, ask.locale) else []
    if ask.facts.objects and any(_contradicts(n, ask.facts.objects.get(noun, 0)) for n, noun in counts(text, ask.locale)):
        findings.append(Finding(action="review", reason="count_contradicts"))
    return tuple(findings)


def wrong_script(text: str, locale: str) -> bool:
    """True where most of the text is in a script that the locale's language is not written in. Unknown languages pass."""
    script = SCRIPTS.get(language(locale))
    units = UNIT.findall(text)
    if script is None or not units:
        return False
    wanted = _letters(script)
    if 2 * sum(wanted.match(unit) is not None for unit in units) < len(units):
        return True
    other = {"Hans": ONLY_HANT, "Hant": ONLY_HANS}.get(chinese_script(locale) or "")
    own = {"Hans": ONLY_HANS, "Hant": ONLY_HANT}.get(chinese_script(locale) or "")
    return bool(other and own and len(other & set(text)) > len(own & set(text)))


@functools.cache
def _letters(script: str) -> regex.Pattern[str]:
    return regex.compile("[" + CLASSES.get(script, "\\p{" + script + "}") + "]")


def counts(text: str, locale: str) -> list[tuple[int, str]]:
    """Stated numbers of countable things: (2, "dog") for "two small dogs"."""
    if language(locale) == "en":
        pairs = [(m[1].lower(), NOUNS[m[2].lower()]) for m in COUNT_EN.finditer(text)]
        return [(NUMBERS.index(n) if n in NUMBERS else int(n), noun) for n, noun in pairs]
    if language(locale) == "zh":
        return [(NUMBERS_ZH[m[1]], NOUNS_ZH[m[2]]) for m in COUNT_ZH.finditer(text)]
    return []


def _contradicts(stated: int, seen: int) -> bool:
    if stated <= SURE_UP_TO:
        return stated != seen
    return seen * 2 < stated or seen > stated * 2
