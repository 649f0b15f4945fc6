"""What the profile `general` would publish of a set of pictures: tags right and wrong, alt texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tagger.asset import Context
from tagger.catalog.load import load_catalog
from tagger.judge.gate import Question, judge
from tagger.prediction import Pixels
from workers.models.base import merge
from workers.models.lite import LiteModel, TermScorer


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    name: str
    group: str  # of which it is counted
    pixels: Pixels
    tags: frozenset[str]  # that are right


@dataclass(frozen=True, kw_only=True)
class Published:
    name: str
    group: str
    right: frozenset[str]
    wrong: tuple[tuple[str, float], ...]
    missed: int
    alt_text: str | None  # published
    proposed: str | None  # left to a person
    kind: str | None


def published(
    pictures: Iterable[Picture], model: LiteModel, scorer: TermScorer, judged: frozenset[str] | None
) -> list[Published]:
    """`judged`: the terms that the labellers looked for; None: all."""
    catalog = load_catalog()
    profile = catalog.require("general")
    words = catalog.vocabulary(profile)
    question = Question(
        vocabulary=words,
        profile=profile,
        site_id="",
        locales=("en",),
        fields=("alt_text", "tags"),
        context=Context(contains_text=False),
    )
    found = []
    for picture in pictures:
        part = model.finish(model.run([model.prepare(picture.pixels, "")])[0], picture.pixels)
        prediction = merge([part], width=picture.pixels.shape[1], height=picture.pixels.shape[0])
        (alt, tags), _ = judge(prediction, scorer.score(prediction, words), question)
        offered = {t.id: t.score for t in tags.value or () if not isinstance(t, str)}
        offered = {t: s for t, s in offered.items() if judged is None or t in judged}
        text = alt.value if isinstance(alt.value, str) else None
        found.append(
            Published(
                name=picture.name,
                group=picture.group,
                right=picture.tags & set(offered),
                wrong=tuple((t, round(s, 2)) for t, s in sorted(offered.items()) if t not in picture.tags),
                missed=len(picture.tags - set(offered)),
                alt_text=text if alt.verdict.action == "publish" else None,
                proposed=text if alt.verdict.action == "review" else None,
                kind=prediction.kind,
            )
        )
    return found


def table(title: str, found: Sequence[Published], each: bool) -> None:
    """One line of all, and one for each group."""
    groups: dict[str, list[Published]] = defaultdict(list)
    for one in found:
        groups[one.group].append(one)
    for name, some in (("all", list(found)), *sorted(groups.items())):
        right, wrong = sum(len(p.right) for p in some), sum(len(p.wrong) for p in some)
        missed, texts = sum(p.missed for p in some), [p for p in some if p.alt_text is not None]
        print(
            f"{title + ', ' + name:44} {len(some):3} pictures: tags {right:3} right {wrong:3} wrong "
            f"(precision {right / max(1, right + wrong):.2f}, recall {right / max(1, right + missed):.2f}), "
            f"alt texts {len(texts)} published, {sum(p.proposed is not None for p in some)} proposed, "
            f"kinds {sum(p.kind == p.group for p in some)} right"
        )
    for one in found:
        if one.alt_text is not None:
            print(f"    published: {one.name}: {one.alt_text!r}")
    if each:
        for one in found:
            said = one.alt_text or one.proposed or ""
            print(f"    {one.name:22} {one.kind or '-':12} right {sorted(one.right)} wrong {one.wrong} {said!r}")
