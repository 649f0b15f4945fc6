"""A13: pixels do not tell gender, age, ethnicity or disability. Neutral nouns where grammar allows, else a person decides."""

from __future__ import annotations

from collections.abc import Mapping

import regex

from tagger.alttext.text import article, like
from tagger.alttext.types import Ask, Finding
from tagger.locales import chinese_script, language

NEUTRAL_EN: Mapping[str, str] = {
    "man": "person", "woman": "person", "men": "people", "women": "people",
    "boy": "child", "girl": "child", "boys": "children", "girls": "children",
    "lady": "person", "ladies": "people", "guy": "person", "guys": "people",
    "gentleman": "person", "gentlemen": "people", "teenager": "person", "teenagers": "people",
    "policeman": "police officer", "policewoman": "police officer", "policemen": "police officers",
    "policewomen": "police officers",
    "fireman": "firefighter", "firemen": "firefighters", "businessman": "businessperson", "businesswoman": "businessperson",
    "businessmen": "businesspeople", "businesswomen": "businesspeople", "waitress": "server", "waiter": "server",
    "actress": "actor", "fisherman": "fisher", "fishermen": "fishers", "cameraman": "camera operator",
    "salesman": "salesperson", "saleswoman": "salesperson", "spokesman": "spokesperson", "spokeswoman": "spokesperson",
    "sportsman": "athlete", "sportswoman": "athlete", "stewardess": "flight attendant",
}  # fmt: skip
ROLES = (
    "person|people|human|humans|adult|adults|child|children|kid|kids|baby|toddler|couple|family|athlete|player|dancer|singer|actor|model"
    "|doctor|nurse|worker|runner|student|teacher|soldier|officer|tourist|cyclist|swimmer|skier|surfer|rider|driver|chef|server|musician"
    "|speaker|politician|customer|friend|guest|passenger|pedestrian|farmer|engineer|firefighter|businessperson|skateboarder|snowboarder"
)
PERSON = rf"(?:{ROLES}|{'|'.join(NEUTRAL_EN)}|males?|females?)"
ANIMALS = (
    "lion|tiger|deer|duck|mallard|bird|dog|cat|peacock|pheasant|horse|sheep|cow|elephant|bear|zebra|giraffe|gorilla|monkey|goat|fox|wolf"
    "|insect|spider|butterfly|fish|seal|chicken|turkey|moose|elk|leopard|cheetah|cardinal|swan|goose|frog|turtle|lizard|robin|lioness"
)
# A hyphen makes another word ("man-made"); a plural possessive is a kind of goods ("women's shoes").
WORD_EN = regex.compile(
    rf"(?:\b(an?)\s+)?(?<![\w'’-])({'|'.join(sorted(NEUTRAL_EN, key=len, reverse=True))})"
    r"(?![\w-]|(?<=men|boys|girls|ladies|guys)['’]|\s+(?:scouts?|bugs?|birds?|made)\b)",
    regex.I,
)
SEX_OF_ROLE = regex.compile(rf"(?:\b(an?)\s+)?\b(?:fe)?male\s+(?=((?:{ROLES})s?)\b)", regex.I)
POSSESSIVE = regex.compile(
    r"\b(?:his\s*(?:/|or)\s*her|his|her(?=\s+(?!(?:and|or|in|on|at|with|to|from|by|as|is|while|for|under|over)\b)))\b(?=\s+\p{L})",
    regex.I,
)
HAS_PERSON = regex.compile(rf"\b{PERSON}s?\b", regex.I)
SAYS_WHO = (
    regex.compile(
        r"\b(?:old|older|elderly|young|younger|aged|middle-aged|teenaged?|senior|asian|african|african-american|caucasian|hispanic"
        r"|latin[oax]|arab|arabic|middle-eastern|indian|chinese|japanese|korean|mexican|european|american|indigenous|native|jewish"
        r"|muslim|christian|hindu|disabled|handicapped|blind|deaf|mute|pregnant|black|white|brown|dark-skinned|light-skinned)"
        rf"(?:[\s,-]+(?:young|old|elderly|looking|american|and|black|white|asian))*\s+{PERSON}s?\b",
        regex.I,
    ),
    regex.compile(
        r"\b(?:elderly|senior citizens?|pensioners?|teens?|mothers?|fathers?|moms?|dads?|mums?"
        r"|daughters?|sons?|husbands?|wife|wives"
        r"|sisters?|brothers?|grandmothers?|grandfathers?|grandma|grandpa|brides?|grooms?"
        r"|latin[oax]s?|asians|africans|wheelchair-bound"
        r"|confined to a wheelchair|cripples?|crippled|amputees?|dwarfs?|midgets?|autistic"
        r"|retarded|gypsy|gypsies|schoolboys?|schoolgirls?"
        r"|blonde?s)\b",
        regex.I,
    ),
    regex.compile(rf"\b(?:fe)?males?\b(?!\s+(?:\w+\s+)?(?:{ANIMALS}))", regex.I),
)
PRONOUN = regex.compile(r"\b(?:he|she|him|himself|herself|hers|his|her)\b", regex.I)
COUNT_EN = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PAIR = regex.compile(r"(?<![\w'’-])(?:(a|one|another)\s+)?(person|child)\s+and\s+(?:(?:a|one|another)\s+)?\2(?![\w'’-])", regex.I)
SUM = regex.compile(
    rf"(?<![\w'’-])({'|'.join(COUNT_EN)}|a)\s+(person|people|child|children)\s+and\s+({'|'.join(COUNT_EN)}|a)\s+(person|people|child|children)(?![\w'’-])",
    regex.I,
)
BOTH = regex.compile(r"(?<![\w'’-])(people|children)\s+and\s+\1(?![\w'’-])", regex.I)

ZH = (
    (
        regex.compile(
            r"([一二两兩三四五六七八九十几幾数數]|\d+)[名位个個](?:男子|女子|男人|女人|男士|女士|男性|女性|男生|女生|美女|帅哥|帥哥)"
        ),
        r"\1个人",
    ),
    (regex.compile(r"([一二两兩三四五六七八九十几幾数數]|\d+)[名位个個](?:小?男孩|小?女孩)儿?"), r"\1个孩子"),
    (regex.compile(r"(?:男子|女子)(?![组双单團组子排足篮乒])|男人|女人|美女|帅哥|帥哥"), "人"),
    (regex.compile(r"小?(?:男孩|女孩)儿?"), "孩子"),
)
SAYS_WHO_ZH = regex.compile(
    r"老人|老年|老奶奶|老爷爷|老太太|老頭|老头|年轻人|年轻的?[男女人]|年輕人|中年|少年|少女|黑人|白人|黄种人|亚裔|非裔|亞裔|残疾|殘疾|盲人|聋|聾|孕妇|孕婦"
    r"|男[士性生]|女[士性生]|(?<![吉其维維排])[他她](?![人们乡山国])|母亲|父亲|母親|父親|妈妈|爸爸|媽媽|妻子|丈夫|新娘|新郎"
)


def a13_neutral(text: str, ask: Ask) -> str:
    """ "A man and a woman" → "Two people"; "a female athlete" → "an athlete"; "his" → "their"."""
    if not ask.rules.neutral_nouns:
        return text
    if language(ask.locale) == "zh":
        counter = "個" if chinese_script(ask.locale) == "Hant" else "个"
        for pattern, neutral in ZH:
            text = pattern.sub(neutral.replace("个", counter), text)
        return text
    if language(ask.locale) != "en":
        return text
    had_person = HAS_PERSON.search(text) is not None
    text = SEX_OF_ROLE.sub(lambda m: f"{like(m[1], article(m[2]))} " if m[1] else "", text)
    text = WORD_EN.sub(_neutral, text)
    if had_person:
        text = POSSESSIVE.sub(lambda m: like(m[0], "their"), text)
    text = PAIR.sub(lambda m: like(m[0], "two people" if m[2].lower() == "person" else "two children"), text)
    text = SUM.sub(_sum, text)
    return BOTH.sub(lambda m: m[1], text)


def _neutral(match: regex.Match[str]) -> str:
    word = NEUTRAL_EN[match[2].lower()]
    if match[1] is None:
        return like(match[2], word)
    return f"{like(match[1], article(word))} {word}"


def _sum(match: regex.Match[str]) -> str:
    kinds = {"person": "people", "child": "children"}
    left, right = (kinds.get(match[n].lower(), match[n].lower()) for n in (2, 4))
    if left != right:
        return match[0]
    total = sum(1 if match[n].lower() == "a" else COUNT_EN.index(match[n].lower()) + 1 for n in (1, 3))
    return like(match[0], f"{COUNT_EN[total - 1]} {left}") if total <= len(COUNT_EN) else match[0]


def a13_describes(text: str, ask: Ask) -> tuple[Finding, ...]:
    """What the neutral nouns could not mend."""
    if not ask.rules.neutral_nouns:
        return ()
    if language(ask.locale) == "zh":
        describes = SAYS_WHO_ZH.search(text) is not None
    elif language(ask.locale) == "en":
        describes = any(p.search(text) for p in SAYS_WHO) or (
            HAS_PERSON.search(text) is not None and PRONOUN.search(text) is not None
        )
    else:
        return ()
    return (Finding(action="review", reason="describes_person"),) if describes else ()
