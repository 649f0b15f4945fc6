"""The rules, in the order in which they run. Each has an asset of its own, so that one that fails disturbs no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tagger.conformance.rules import library, messages, races, tags, texts
from tagger.conformance.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Rule:
    name: str
    title: str  # what an implementation does that passes
    check: Callable[[Trial], str | None]  # a detail for the report; raises Failed or NotSupported


RULES = tuple(
    Rule(name=name, title=title, check=check)
    for name, title, check in (
        ("signature", "A message that another secret signed, or none, is refused and changes nothing.", messages.signature),
        ("age", "A message that is older than five minutes is refused.", messages.age),
        ("rotation", "During a rotation one good signature among two is enough.", messages.rotation),
        ("unknown", "A type that is not known is answered 204 or 501.", messages.unknown),
        ("probe", "`site.probe` is answered with what the CMS can do.", messages.probe),
        ("written", "A field that was never set is written, and reads as the answer says.", texts.written),
        ("replay", "The same message again changes nothing, and has the same `previous`.", texts.replay),
        ("answer-lost", "A message whose answer was lost is written once, however often it comes.", texts.answer_lost),
        ("sequence", "An older `sequence`, or the same one under another id, is rejected.", texts.sequence),
        ("unchanged", "A newer message with the same text is `unchanged`.", texts.unchanged),
        ("replaced", "tagger's own text is replaced, and `previous` holds it.", texts.replaced),
        ("kept", "A text that an editor wrote is kept, also when tagger wrote before.", texts.kept),
        ("kept-same", "A text that an editor set before tagger came is kept.", texts.kept_first),
        ("cleared", "A text that an editor cleared stays empty.", texts.cleared),
        ("gone", "A deleted asset is answered `gone`, or 404.", texts.gone),
        (
            "sanitised",
            "The answer has the value as it is stored, without markup; tagger may replace it.",
            texts.sanitised,
        ),
        ("proposals", "A proposal is never written by itself.", texts.proposals),
        ("failed", "`asset.failed` is taken, or answered 501, and changes no text.", texts.failed),
        ("tags", "Tags are added and removed; the answer lists both.", tags.added_and_removed),
        ("tag-typed", "A tag that an editor typed stays, and is not claimed by tagger.", tags.typed),
        ("tag-removed", "A tag that an editor removed is not added again.", tags.taken_off),
        ("races", "Twelve messages at once, with an editor: one is written at most, and the editor's text stays.", races.racers),
        ("paging", "Pages neither skip nor repeat an asset while others come and go.", library.paging),
        ("listing", "The library says of each text who wrote it; `ids`, `since` and `missing` choose.", library.listing),
        ("revert", "`asset.reverted` puts back what tagger replaced.", texts.reverted),
        ("revert-kept", "`asset.reverted` changes nothing that an editor changed since.", texts.revert_kept),
    )
)
