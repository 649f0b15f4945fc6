"""The vocabulary file: reads and writes YAML 1.2, and loads the built-in vocabularies. Format: docs/vocabularies.md and the
schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tagger import locales
from tagger.catalog import yaml_document, yaml_reader
from tagger.catalog.vocabulary import DEFAULT_PROMPT, Category, Denial, Term, Threshold, Vocabulary
from tagger.catalog.yaml_document import Document
from tagger.catalog.yaml_reader import Problem
from tagger.errors import VocabularyInvalid

T = TypeVar("T")

BUILT_IN: tuple[str, ...] = ("general", "ecommerce", "news", "travel", "social")


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of the file format, as data."""
    text = resources.files("tagger.catalog.vocabularies").joinpath("vocabulary.schema.json").read_text("utf-8")
    body: Mapping[str, Any] = json.loads(text)
    return body


@cache
def built_in(name: str) -> Vocabulary:
    """A built-in vocabulary. Errors: VocabularyInvalid if it does not exist."""
    if name not in BUILT_IN:
        raise VocabularyInvalid(
            f"There is no built-in vocabulary `{name}`.", remedy=f"Use one of {', '.join(BUILT_IN)}, or name a file."
        )
    file = resources.files("tagger.catalog.vocabularies").joinpath(f"{name}.yaml")
    return parse(file.read_bytes(), source=f"{name}.yaml")


def load(path: Path) -> Vocabulary:
    """Read a file. Errors: VocabularyInvalid with line, column, reason and remedy; also when it cannot be opened."""
    return parse(yaml_document.file_bytes(path, VocabularyInvalid), source=path.name)


def parse(text: str | bytes, *, source: str = "vocabulary") -> Vocabulary:
    """Errors: VocabularyInvalid; `errors` holds a JSON Pointer, line, column, reason and remedy for each fault."""
    doc = yaml_document.read(text, source=source, fault=VocabularyInvalid)
    yaml_document.check(doc, schema(), VocabularyInvalid)
    yaml_document.refuse(doc, [*_repeated_terms(doc), *_repeated_locales(doc)], VocabularyInvalid)
    body = doc.data
    return Vocabulary(
        name=body["vocabulary"],
        version=body["version"],
        categories=tuple(_category(key, value) for key, value in body["categories"].items()),
        deny=tuple(_denial(item) for item in body.get("deny", ())),
    )


def _repeated_terms(doc: Document) -> list[Problem]:
    owner: dict[str, str] = {}
    problems = []
    for category, value in doc.data["categories"].items():
        for term in value["terms"]:
            if owner.setdefault(term, category) != category:
                reason = f"the term id `{term}` is already used in the category `{owner[term]}`."
                path = ("categories", category, "terms", term)
                problems.append(Problem(path=path, reason=reason, remedy="Change the id of one of the two.", at_key=True))
    return problems


def _repeated_locales(doc: Document) -> list[Problem]:
    """Find a locale that is spelled in two ways; it would lose one of its labels."""
    problems = []
    for path, texts in _texts(doc.data):
        first: dict[str, str] = {}
        for spelling in texts:
            if (other := first.setdefault(locales.parse(spelling), spelling)) != spelling:
                reason = f"`{other}` and `{spelling}` are the same locale."
                problems.append(Problem(path=(*path, spelling), reason=reason, remedy="Delete one of the two.", at_key=True))
    return problems


def _texts(body: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Each mapping by locale, with its path."""
    for category, value in body["categories"].items():
        yield ("categories", category, "labels"), value.get("labels", {})
        for term, parts in value["terms"].items():
            for part in ("labels", "synonyms"):
                yield ("categories", category, "terms", term, part), parts.get(part, {})


def _by_locale(texts: Mapping[str, T]) -> dict[str, T]:
    return {locales.parse(locale): value for locale, value in texts.items()}


def _category(key: str, body: Mapping[str, Any]) -> Category:
    return Category(
        id=key,
        labels=_by_locale(body.get("labels", {})),
        prompt=body.get("prompt", DEFAULT_PROMPT),
        threshold=_threshold(body["threshold"]) if "threshold" in body else Threshold(),
        max=body.get("max"),
        terms=tuple(_term(i, value) for i, value in body["terms"].items()),
    )


def _term(key: str, body: Mapping[str, Any]) -> Term:
    same_as = body.get("same_as", [])
    return Term(
        id=key,
        labels=_by_locale(body["labels"]),
        synonyms={locale: tuple(words) for locale, words in _by_locale(body.get("synonyms", {})).items()},
        same_as=(same_as,) if isinstance(same_as, str) else tuple(same_as),
        prompts=tuple(body.get("prompts", ())),
        threshold=_threshold(body["threshold"]) if "threshold" in body else None,
    )


def _threshold(body: float | Mapping[str, float]) -> Threshold:
    if isinstance(body, Mapping):
        return Threshold(default=body.get("default"), by_model={k: float(v) for k, v in body.items() if k != "default"})
    return Threshold(default=float(body))


def _denial(body: str | Mapping[str, Any]) -> Denial:
    return Denial(term=body) if isinstance(body, str) else Denial(term=body["term"], sites=tuple(body["sites"]))


def dump(vocabulary: Vocabulary) -> str:
    """The file's text; `parse(dump(v)) == v`."""
    body: dict[str, Any] = {
        "vocabulary": vocabulary.name,
        "version": vocabulary.version,
        "categories": {c.id: _category_body(c) for c in vocabulary.categories},
    }
    if vocabulary.deny:
        body["deny"] = [d.term if not d.sites else {"term": d.term, "sites": list(d.sites)} for d in vocabulary.deny]
    text: str = yaml.dump(body, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=1_000)
    return text


LINE_BREAKS = "\n\r\x85\u2028\u2029"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Writes YAML 1.2 that reads back the same. A text that looks like a number is quoted."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - our reader takes no aliases
        return True


def _text(dumper: _Dumper, text: str) -> Any:
    """A text with a line break is written in double quotes with an escape, because YAML folds line breaks in other styles."""
    if any(mark in text for mark in LINE_BREAKS):
        return dumper.represent_scalar(yaml_reader.TEXT_TAG, text, style='"')
    return dumper.represent_scalar(yaml_reader.TEXT_TAG, text, style=None if yaml_reader.is_plain_text(text) else "'")


_Dumper.add_representer(str, _text)


def _category_body(category: Category) -> dict[str, Any]:
    body: dict[str, Any] = {"labels": dict(category.labels)} if category.labels else {}
    if category.prompt != DEFAULT_PROMPT:
        body["prompt"] = category.prompt
    threshold = _threshold_body(category.threshold)
    if threshold is not None:
        body["threshold"] = threshold
    if category.max is not None:
        body["max"] = category.max
    return {**body, "terms": {t.id: _term_body(t) for t in category.terms}}


def _term_body(term: Term) -> dict[str, Any]:
    body: dict[str, Any] = {"labels": dict(term.labels)}
    if term.synonyms:
        body["synonyms"] = {locale: list(words) for locale, words in term.synonyms.items()}
    if term.same_as:
        body["same_as"] = term.same_as[0] if len(term.same_as) == 1 else list(term.same_as)
    if term.prompts:
        body["prompts"] = list(term.prompts)
    threshold = _threshold_body(term.threshold) if term.threshold else None
    if threshold is not None:
        body["threshold"] = threshold
    return body


def _threshold_body(threshold: Threshold) -> float | dict[str, float] | None:
    if not threshold.by_model:
        return threshold.default
    default = {} if threshold.default is None else {"default": threshold.default}
    return {**default, **threshold.by_model}


def threshold_text(threshold: Threshold) -> str | None:
    """The threshold as text: "0.5", or "0.55, lite 0.7". None for the default."""
    own = [] if threshold.default is None else [f"{threshold.default:g}"]
    return ", ".join([*own, *(f"{model} {least:g}" for model, least in threshold.by_model.items())]) or None
