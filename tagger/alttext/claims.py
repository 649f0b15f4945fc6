"""A14: hedges and praise say something about the writer, not the picture; and nobody is named from pixels."""

from __future__ import annotations

import regex

from tagger.alttext.text import CJK, article, fold, like, listed
from tagger.alttext.types import Ask, Finding
from tagger.locales import language

HEDGES = "probably|possibly|perhaps|maybe|likely|apparently|seemingly|presumably|supposedly|evidently"
HEDGE_EN = regex.compile(
    rf"(?:\b(an?)\s+)?(?<![\w-])(?:(?:most|very)\s+)?(?:{HEDGES})(?![\w-]),?\s+(?=([\p{{L}}\p{{N}}]+))", regex.I
)
HEDGE_OPENING = regex.compile(
    r"\b(?:what\s+(?:appears|seems|looks)\s+(?:to\s+be|like)|(?:I|we)\s+(?:think|believe|guess)(?:\s+that)?)\s+(?=\w)", regex.I
)
HEDGED_EN = regex.compile(
    rf"\b(?:appears?\s+to|seems?\s+to|seems?\s+like|looks?\s+like|(?:may|might|could)\s+be|{HEDGES}|(?:i|we)\s+(?:think|believe|guess)|not\s+sure)\b",
    regex.I,
)
PRAISE = (
    "beautiful|stunning|amazing|gorgeous|lovely|wonderful|breathtaking|picturesque|adorable|cute|charming|magnificent|spectacular"
    "|majestic|awesome|fantastic|incredible|marvelous|marvellous|delightful|exquisite|superb|perfect|handsome|attractive|iconic"
    "|mesmerizing|mesmerising|enchanting|captivating|delicious|tasty|yummy|pretty|nice"
)
# Stripped only where an adjective or noun must follow; elsewhere the grammar would break, and a person decides.
NO_NOUN = r"(?!(?:and|or|but|in|on|at|with|to|from|by|as|is|are|was|were|while|for|under|over|of|that|which|than|because|when)\b)"
PRAISE_EN = regex.compile(
    rf"(?:\b(an?)\s+)?(?<![\w-])(?<!\b(?:and|or|is|are|looks?|looking|very|so|really|not)\s)"
    rf"(?:(?:(?:very|really|so|absolutely|truly|most)\s+)?(?:{PRAISE})(?:,\s+|\s+and\s+|\s+))+{NO_NOUN}(?=([\p{{L}}\p{{N}}]+))",
    regex.I,
)
PRAISED_EN = regex.compile(rf"(?<![\w-])(?:{PRAISE}|beauty|beautifully|stunningly)(?![\w-])", regex.I)

HEDGE_ZH = regex.compile(r"(?<![不很])(?:可能|也许|也許|大概|或许|或許|大约|大約)(?![性念])是?(?=\S)")
HEDGED_ZH = regex.compile(r"似乎|好像|仿佛|彷彿|看起来|看起來|看上去|疑似|应该是|應該是|我觉得|我認為|我认为")
PRAISE_WORDS_ZH = (
    "美丽|美麗|漂亮|迷人|壮观|壯觀|可爱|可愛|精美|绝美|絕美|惊艳|驚艷|华丽|華麗|令人惊叹|令人驚嘆|令人惊艳|令人陶醉|美轮美奂|美輪美奐"
    "|美味|诱人|誘人|宏伟|宏偉|完美|优美|優美|动人|動人|唯美"
)
PRAISE_ZH = regex.compile(rf"(?<!不)(?:非常|十分|极其|極其|格外|很)?(?:{PRAISE_WORDS_ZH})的(?=[{CJK}])")
PRAISED_ZH = regex.compile(rf"(?<!不)(?:{PRAISE_WORDS_ZH})")


def a14_sober(text: str, ask: Ask) -> str:
    """Without "probably" and, before a noun, without "beautiful"."""
    if language(ask.locale) == "zh":
        text = HEDGE_ZH.sub("", text)
        return PRAISE_ZH.sub("", text) if ask.rules.strip_praise else text
    if language(ask.locale) != "en":
        return text
    text = HEDGE_OPENING.sub("", text)
    text = HEDGE_EN.sub(_fit_article, text)
    return PRAISE_EN.sub(_fit_article, text) if ask.rules.strip_praise else text


def _fit_article(match: regex.Match[str]) -> str:
    return f"{like(match[1], article(match[2]))} " if match[1] else ""


def a14_claims(text: str, ask: Ask) -> tuple[Finding, ...]:
    """Hedges and praise that could not be stripped, and names that nobody supplied."""
    lang = language(ask.locale)
    findings = []
    hedged, praised = {"en": (HEDGED_EN, PRAISED_EN), "zh": (HEDGED_ZH, PRAISED_ZH)}.get(lang, (None, None))
    if hedged is not None and hedged.search(text):
        findings.append(Finding(action="review", reason="hedged"))
    if praised is not None and ask.rules.strip_praise and praised.search(text):
        findings.append(Finding(action="review", reason="praise"))
    if (lang == "en" and _names_en(text, ask)) or (lang == "zh" and _names_zh(text, ask)):
        findings.append(Finding(action="review", reason="name_not_in_context"))
    return tuple(findings)


# --- names --------------------------------------------------------------------------------------------------------
# A capital inside a sentence is all that a text shows of a name. So this finds names of capitalised models only, and it
# takes places for persons unless a word below, the context or the vocabulary explains the capital: at worst a person looks.

TITLED = regex.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|Professor|President|Queen|King|Prince|Princess|Pope|Senator|Chancellor|Sir)\.?\s+(?=\p{Lu}\p{Ll})"
)
CALLED = regex.compile(r"\b(?:named|called)\s+\p{Lu}")
CAPITALISED = regex.compile(
    r"(?<![\p{L}\p{N}.'’-])\p{Lu}\p{Ll}+(?:['’-]\p{Lu}?\p{Ll}+)*(?:\s+(?:(?:de|van|von|al|bin|da|di)\s+)?\p{Lu}[\p{Ll}.]+(?:['’-]\p{Lu}?\p{Ll}+)*)*"
)
EXPLAINED = listed(
    "american african asian european australian british english french german italian spanish portuguese dutch russian chinese "
    "japanese korean indian mexican brazilian canadian greek roman turkish arabic egyptian victorian gothic baroque christian "
    "muslim buddhist hindu jewish catholic africa asia europe america australia antarctica china japan india france germany "
    "italy spain england britain scotland ireland canada mexico brazil russia egypt greece turkey korea monday tuesday wednesday "
    "thursday friday saturday sunday january february march april may june july august september october november "
    "december christmas easter halloween thanksgiving olympic olympics internet lego wi-fi i tv usa uk us eu xmas"
)
PLACES = listed(
    "tower bridge street avenue road square city river lake mount mountain mountains ocean sea park church cathedral palace "
    "castle wall temple station airport harbor harbour bay beach island canyon valley desert forest museum university stadium "
    "hall gate house building center centre north south east west new old great saint st national"
)


def _names_en(text: str, ask: Ask) -> bool:
    if CALLED.search(text):
        return True
    context_words = set(fold(" ".join([ask.context.title or "", ask.context.caption or "", *ask.names])).split())
    titled = any(not set(fold(text[m.end() :]).split()[:1]) <= context_words for m in TITLED.finditer(text))
    return titled or any(_unexplained(m, text, context_words) for m in CAPITALISED.finditer(text))


def _unexplained(match: regex.Match[str], text: str, context_words: set[str]) -> bool:
    before = text[: match.start()].rstrip(" \"'“‘(")
    opens = not before or before[-1] in ".!?:"
    parts = fold(match[0]).split()
    if opens and len(match[0].split()) == 1:
        return False  # the first word of a sentence always has a capital
    if set(parts) & PLACES:
        return False
    return not (set(parts[1:] if opens else parts) <= context_words | EXPLAINED)


SURNAMES = "王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何林高罗羅郑鄭梁谢謝宋唐许許韩韓冯馮邓鄧曹彭曾萧蕭习習"
NAME_ZH = regex.compile(
    rf"(?:名叫|叫做|名为|名為)\p{{Han}}|[{SURNAMES}]\p{{Han}}{{0,2}}(?:先生|女士|小姐|总统|總統|主席|总理|總理|部长|部長|教授|博士|老师|老師)"
)


def _names_zh(text: str, ask: Ask) -> bool:
    supplied = (ask.context.title or "") + (ask.context.caption or "")
    return any(m[0] not in supplied for m in NAME_ZH.finditer(text))
