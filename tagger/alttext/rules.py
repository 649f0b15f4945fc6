"""The alt-text rules A1 to A15 in the order in which they act, and the three functions that apply them.

Rewrites run over the text until none changes it (so cleaning a clean text changes nothing); then each check looks once.
A text never gets longer, but for a neutral noun (A13: "man" → "person") and the final stop that a profile asks for (A4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tagger.alttext import checks, claims, form, locale_fit, people
from tagger.alttext.types import Ask, Cleaned, Facts, Finding, TextField, TextRules
from tagger.annotation import RANK, Action
from tagger.asset import Context

MAX_CHARACTERS = 4_000  # no model writes more about one picture; a longer text is not cleaned at all
MAX_ROUNDS = 50
EVERY: frozenset[TextField] = frozenset({"alt_text", "caption", "title"})
ALT: frozenset[TextField] = frozenset({"alt_text"})


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    why: str
    rewrite: Callable[[str, Ask], str] | None = None
    check: Callable[[str, Ask], tuple[Finding, ...]] | None = None
    fields: frozenset[TextField] = EVERY
    languages: str = "every language"  # where its word lists reach; elsewhere it does nothing


RULES: tuple[Rule, ...] = (
    Rule(
        id="A9",
        why="An image is decorative only if its role says so or if it has one colour. Then the alt text is empty.",
        fields=ALT,  # acts before all others, in `alt_text`
    ),
    Rule(id="A3", why="Markup, addresses, control characters and emoji are not words.", rewrite=form.a3_plain_text),
    Rule(
        id="A1",
        why='A screen reader already says that it is an image, so "image of" is removed.',
        rewrite=form.a1_no_lead_in,
        check=form.a1_speaks_of_itself,
        languages="en, zh",
    ),
    Rule(
        id="A14",
        why="A description does not guess, does not praise, and names no person whom the context does not name.",
        rewrite=claims.a14_sober,
        check=claims.a14_claims,
        languages="en, zh",
    ),
    Rule(
        id="A13",
        why="Pixels do not show gender, age, ethnicity or disability.",
        rewrite=people.a13_neutral,
        check=people.a13_describes,
        languages="en, zh",
    ),
    Rule(
        id="A4", why="A text has sentence case, single spaces, and a full stop if the profile asks for it.", rewrite=form.a4_form
    ),
    Rule(
        id="A5",
        why="A long text is hard to listen to. A trailing clause is removed; above the upper limit a person decides.",
        rewrite=form.a5_short,
        check=checks.a5_length,
    ),
    Rule(id="A2", why="A file name or a placeholder does not describe the image.", check=checks.a2_no_file_name),
    Rule(id="A7", why="Repetition is a sign that the model failed.", check=checks.a7_no_repetition),
    Rule(
        id="A6",
        why='A generic word alone ("a person") does not describe the image.',
        check=checks.a6_not_generic,
        languages="en, zh",
    ),
    Rule(
        id="A8", why="A screen reader would read a text twice if it is already beside the image.", check=checks.a8_not_redundant
    ),
    Rule(
        id="A10",
        why="Text inside an image belongs into the alt text. A sign is quoted if all of it was read; else a person decides.",
        check=checks.a10_text_in_picture,
        fields=ALT,
    ),
    Rule(
        id="A11",
        why="The alt text of a link, button or logo must say its purpose, and pixels do not show it.",
        check=checks.a11_purpose,
        fields=ALT,
    ),
    Rule(
        id="A12",
        why="A chart, map or diagram needs a long description.",
        check=checks.a12_complex,
        fields=ALT,
        languages="en, zh",
    ),
    Rule(
        id="A15",
        why="The script must match the locale, and a number must match the count of detected objects.",
        check=locale_fit.a15_fits,
    ),
)

REASONS: dict[str, str] = {
    "no_text": "No model offered a text.",
    "nothing_left": "No words remained after the cleaning.",
    "unreadable": "The text could not be cleaned.",
    "decorative": "The image was declared decorative, so its alternative text is empty.",
    "uniform": "The image is a single colour or at most two pixels on a side, so its alternative text is empty.",
    "file_name": "The text looks like a file name.",
    "placeholder": "The text is a placeholder, not a description.",
    "lead_in": 'The text begins with words such as "image of", and they cannot be removed safely.',
    "long": "The text is longer than recommended, and no clause can be removed.",
    "too_long": "The text is too long for this field; please shorten it.",
    "too_generic": "The text names only a generic thing.",
    "repetition": "The text repeats itself, which is a sign that the model failed.",
    "redundant": "The same words are already beside the image.",
    "contains_text": "The image contains text, and the alt text must include it; please read it.",
    "text_unchecked": "No model could decide whether the image contains text.",
    "needs_purpose": "The image is a link, a button or a logo. Its text must say what it does, and pixels do not show this.",
    "needs_long_description": "A chart, map or diagram needs a long description beside the short text.",
    "describes_person": "The text speaks of someone's gender, age, ethnicity, disability or family, and pixels do not show this.",
    "hedged": "The text guesses.",
    "praise": "The text praises instead of describing.",
    "name_not_in_context": "The text names a person whom neither the title nor the caption names.",
    "wrong_script": "The text is not written in the script of its language.",
    "count_contradicts": "The text states a number that differs from the count of detected objects.",
}


def alt_text(
    text: str | None,
    *,
    locale: str = "en",
    context: Context | None = None,
    rules: TextRules | None = None,
    facts: Facts | None = None,
    names: frozenset[str] = frozenset(),
) -> Cleaned:
    """What a screen reader says in the image's place. The only field that may be `""`."""
    ask = _ask("alt_text", locale, context, rules, facts, names)
    functional = ask.context.role in ("link", "button", "logo")
    if ask.context.role == "decorative" or (ask.facts.uniform and not functional):
        reason = "decorative" if ask.context.role == "decorative" else "uniform"
        return Cleaned(value="", rules=("A9",), action="publish", reasons=(reason,))
    if text is None and functional:
        return Cleaned(value=None, rules=("A11",), action="review", reasons=("needs_purpose",))
    return _clean(text, ask)


def caption(
    text: str | None,
    *,
    locale: str = "en",
    context: Context | None = None,
    rules: TextRules | None = None,
    facts: Facts | None = None,
    names: frozenset[str] = frozenset(),
) -> Cleaned:
    """The sentence under an image that everybody reads: it keeps its article and ends as the profile says."""
    ask = _ask("caption", locale, context, rules, facts, names)
    if ask.context.role == "decorative":
        return Cleaned(value=None, rules=("A9",), action="suppress", reasons=("decorative",))
    return _clean(text, ask)


def title(
    text: str | None,
    *,
    locale: str = "en",
    context: Context | None = None,
    rules: TextRules | None = None,
    facts: Facts | None = None,
    names: frozenset[str] = frozenset(),
) -> Cleaned:
    """A short name to find the image by in a library: no article, no final stop, about sixty characters."""
    return _clean(text, _ask("title", locale, context, rules, facts, names))


CLEANERS: dict[TextField, Callable[..., Cleaned]] = {"alt_text": alt_text, "caption": caption, "title": title}


def clean(text: str | None, *, field: TextField = "alt_text", **circumstances: object) -> Cleaned:
    """`alt_text`, `caption` or `title`, by name."""
    return CLEANERS[field](text, **circumstances)


def _ask(
    field: TextField, locale: str, context: Context | None, rules: TextRules | None, facts: Facts | None, names: frozenset[str]
) -> Ask:
    return Ask(
        field=field, locale=locale, context=context or Context(), rules=rules or TextRules(), facts=facts or Facts(), names=names
    )


def _clean(text: str | None, ask: Ask) -> Cleaned:
    if text is None:
        return Cleaned(value=None, rules=(), action="suppress", reasons=("no_text",))
    if len(text) > MAX_CHARACTERS:
        return Cleaned(value=None, rules=("A5",), action="suppress", reasons=("too_long",))
    active = [rule for rule in RULES if ask.field in rule.fields]
    acted: set[str] = set()
    settled = _rewrite(text, ask, active, acted)
    if not settled:
        reason = "nothing_left" if settled == "" else "unreadable"
        return Cleaned(value=None, rules=_in_order(acted), action="suppress", reasons=(reason,))
    findings = [(rule.id, finding) for rule in active if rule.check for finding in rule.check(settled, ask)]
    action: Action = max((f.action for _, f in findings), key=RANK.__getitem__, default="publish")
    findings = [(rule, f) for rule, f in findings if f.action == action]  # what decided; notes only on what is published
    acted |= {rule for rule, _ in findings}
    return Cleaned(
        value=None if action == "suppress" else settled,
        rules=_in_order(acted),
        action=action,
        reasons=tuple(dict.fromkeys(f.reason for _, f in findings)),
    )


def _rewrite(text: str, ask: Ask, active: list[Rule], acted: set[str]) -> str | None:
    """The text that no rewrite changes any more; None where they do not settle."""
    for _ in range(MAX_ROUNDS):
        before = text
        for rule in active:
            if rule.rewrite is not None:
                after = rule.rewrite(text, ask)
                if after != text:
                    acted.add(rule.id)
                text = after
        if text == before:
            return text
    return None


def _in_order(ids: set[str]) -> tuple[str, ...]:
    return tuple(sorted(ids, key=lambda rule_id: int(rule_id[1:])))
