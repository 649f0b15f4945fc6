"""The labels of a SKOS concept in the form of a vocabulary. A label that does not fit is omitted with a warning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rdflib import DC, DCTERMS, SKOS, Graph, Namespace
from rdflib import Literal as Text

from tagger import locales

Node = Any  # rdflib's nodes
Warn = Callable[[str], None]

SKOSXL = Namespace("http://www.w3.org/2008/05/skos-xl#")
MAX_LABEL = 200  # characters, as the vocabulary's schema says
DEFAULT_LOCALE = "en"
UNTOLD = frozenset({"und", "mul", "mis"})  # tags that name no language
NO_LANGUAGE = "zxx"
OFFERED = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
# ISO 639-2 and 639-3 codes of languages that have a code of two letters, as library catalogues name them.
_CODES = """
afr:af alb:sq sqi:sq ara:ar arm:hy hye:hy baq:eu eus:eu bel:be ben:bn bos:bs bre:br bul:bg cat:ca chi:zh zho:zh hrv:hr cze:cs
ces:cs dan:da dut:nl nld:nl eng:en epo:eo est:et fin:fi fre:fr fra:fr geo:ka kat:ka ger:de deu:de gle:ga glg:gl gre:el ell:el
heb:he hin:hi hun:hu ice:is isl:is ind:id ita:it jpn:ja kor:ko lat:la lav:lv lit:lt ltz:lb mac:mk mkd:mk may:ms msa:ms mlt:mt
nor:no nob:nb nno:nn per:fa fas:fa pol:pl por:pt rum:ro ron:ro rus:ru slo:sk slk:sk slv:sl spa:es srp:sr swe:sv tha:th tur:tr
ukr:uk urd:ur vie:vi wel:cy cym:cy
"""
TWO_LETTERS = dict(pair.split(":") for pair in _CODES.split())


@dataclass(kw_only=True)
class Words:
    labels: dict[str, str] = field(default_factory=dict)
    synonyms: dict[str, list[str]] = field(default_factory=dict)


def locale_of(tag: str) -> str | None:
    """rdflib lower-cases language tags: `zh-hans` → `zh-Hans`, `pt-br` → `pt-BR`. None if the tag is not a locale: private use
    (`zxx-x-taxon`), transliteration (`zh-latn-pinyin-x-hanyu`), variants.
    """
    first, separator, rest = tag.partition("-")
    try:
        locale = locales.parse(TWO_LETTERS.get(first.lower(), first) + separator + rest)
    except ValueError:
        return None
    return locale if OFFERED.fullmatch(locale) and locale != NO_LANGUAGE else None


def language_of(graph: Graph, node: Node, otherwise: str = DEFAULT_LOCALE) -> str:
    """The language of texts without a tag, from `dct:language`: a code, or the URI of a code."""
    stated = (*graph.objects(node, DCTERMS.language), *graph.objects(node, DC.language))
    codes = {re.split(r"[/#]", str(value).strip().rstrip("/#"))[-1].lower() for value in stated}
    languages = sorted({locale for code in codes if code not in UNTOLD and (locale := locale_of(code)) is not None})
    return otherwise if not languages or otherwise in languages else languages[0]


class WordReader:
    """Reads the labels of the concepts of one scheme."""

    def __init__(self, graph: Graph, scheme: Node, warn: Warn) -> None:
        self.graph = graph
        self.default = language_of(graph, scheme)
        self.warn = warn

    def has_label(self, node: Node) -> bool:
        return any(True for _ in self._texts(node, "prefLabel"))

    def read(self, node: Node) -> Words:
        words = Words()
        name = self.name(node)
        for locale, text in sorted(self._readable(node, "prefLabel", name)):
            if words.labels.setdefault(locale, text) != text:
                self.warn(f"`{name}` has two labels in {locale}: `{words.labels[locale]}` stays, `{text}` became a synonym.")
                words.synonyms.setdefault(locale, []).append(text)
        for locale, text in sorted(self._readable(node, "altLabel", name)):
            some = words.synonyms.setdefault(locale, [])
            if text not in some:
                some.append(text)
        return words

    def name(self, node: Node) -> str:
        """The name of a concept in a warning: its English label, else another label, else its URI."""
        texts = sorted(self._texts(node, "prefLabel"), key=lambda t: (t.language != "en", t.language or "", str(t)))
        return " ".join(str(texts[0]).split())[:60] if texts else str(node)

    def _texts(self, node: Node, kind: str) -> Iterator[Text]:
        """Plain labels, and labels that are resources (SKOS-XL)."""
        literals = list(self.graph.objects(node, SKOS[kind]))
        for thing in self.graph.objects(node, SKOSXL[kind]):
            literals += self.graph.objects(thing, SKOSXL.literalForm)
        return (text for text in literals if isinstance(text, Text))

    def _readable(self, node: Node, kind: str, name: str) -> Iterator[tuple[str, str]]:
        default = language_of(self.graph, node, self.default)
        for text in set(self._texts(node, kind)):
            tag = (text.language or "").lower()
            locale = default if not tag or tag in UNTOLD else locale_of(tag)
            cleaned = clean(str(text))
            if locale is None:
                self.warn(
                    f"`{name}`: the label `{cleaned[:60]}` was left out: `{text.language}` is no locale that can be offered."
                )
            elif not cleaned:
                self.warn(f"`{name}`: an empty label ({locale}) was left out.")
            elif len(cleaned) > MAX_LABEL:
                self.warn(f"`{name}`: the label `{cleaned[:40]}…` ({locale}) was left out: it has over {MAX_LABEL} characters.")
            else:
                yield locale, cleaned


def clean(text: str) -> str:
    """The text in one line, without spaces at its ends."""
    text = text.strip()
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in text):
        text = " ".join("".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text).split())
    return text
