"""Runs the rules one after another and says what each came to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tagger.cms.generic import probe
from tagger.conformance.client import Client
from tagger.conformance.outcome import Failed, NotSupported, Result, State
from tagger.conformance.rules import RULES, Rule
from tagger.conformance.trial import Trial
from tagger.errors import BadRequest


def chosen(names: Sequence[str]) -> tuple[Rule, ...]:
    """All rules, or those of these names. Errors: BadRequest for a name that no rule has."""
    known = {rule.name: rule for rule in RULES}
    if unknown := [name for name in names if name not in known]:
        raise BadRequest(f"There is no rule {unknown[0]!r}.", f"Choose from: {', '.join(known)}.")
    return tuple(known[name] for name in names) if names else RULES


def locale_of(client: Client) -> str:
    """The first locale that the CMS says it has; "en" if it does not say."""
    try:
        told = probe.read_answer(client.send(probe.TYPE, {"site": "conformance"}).body)
    except Failed:
        return "en"
    return str(told["locales"][0]) if told is not None and told["locales"] else "en"


def run(trial: Trial, rules: Sequence[Rule]) -> Iterator[Result]:
    for rule in rules:
        started = time.monotonic()
        state, detail = _checked(rule, trial)
        ms = round((time.monotonic() - started) * 1000)
        yield Result(rule=rule.name, title=rule.title, state=state, detail=detail, ms=ms)


def _checked(rule: Rule, trial: Trial) -> tuple[State, str]:
    try:
        return "passed", rule.check(trial) or ""
    except NotSupported as err:
        return "not supported", str(err)
    except Failed as err:
        return "failed", str(err)
