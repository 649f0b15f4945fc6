"""Whose the tags and texts of an asset are, after any answer to any message."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tagger.annotation import Outcome
from tagger.delivery import FieldOutcome
from tagger.provenance import (
    KEPT_HASHES,
    TagProvenance,
    hashes_after,
    replaceable,
    tag_change,
    tags_after,
    tags_after_undo,
    wrote,
)

IDS = ["cat", "dog", "sofa", "lamp", "tree", "sky"]
SUBSETS = st.lists(st.sampled_from(IDS), unique=True).map(tuple)
LISTED = st.none() | SUBSETS


@st.composite
def known_tags(draw: st.DrawFn) -> TagProvenance:
    ours = draw(SUBSETS)
    return TagProvenance(ours=ours, editor_tags=tuple(tag for tag in draw(SUBSETS) if tag not in ours))


@st.composite
def answers(draw: st.DrawFn) -> FieldOutcome:
    outcome = draw(st.sampled_from(get_args(Outcome)))
    return FieldOutcome(field="tags", locale="", outcome=outcome, added=draw(LISTED), removed=draw(LISTED))


@given(offered=SUBSETS, before=known_tags())
def test_a_message_adds_and_removes_no_tag_of_an_editor(offered: tuple[str, ...], before: TagProvenance) -> None:
    change = tag_change(offered, before)
    assert not {*change.add, *change.remove} & {*before.editor_tags}
    assert {*change.add} == {*offered} - {*before.ours} - {*before.editor_tags}
    assert {*change.remove} == {*before.ours} - {*offered}


@given(offered=SUBSETS, before=known_tags(), answer=answers(), sent_before=st.booleans())
def test_after_any_answer_a_tag_has_one_owner_and_an_editor_keeps_theirs(
    offered: tuple[str, ...], before: TagProvenance, answer: FieldOutcome, sent_before: bool
) -> None:
    after = tags_after(offered, before, answer, sent_before=sent_before)
    assert not {*after.ours} & {*after.editor_tags}
    assert {*after.editor_tags} >= {*before.editor_tags}
    assert {*after.ours} <= {*before.ours, *tag_change(offered, before).add}
    assert len({*after.ours, *after.editor_tags}) == len(after.ours) + len(after.editor_tags), "no tag is stored twice"


@given(offered=SUBSETS, before=known_tags(), answer=answers())
def test_an_answer_that_changed_nothing_leaves_the_removals_to_the_next_message(
    offered: tuple[str, ...], before: TagProvenance, answer: FieldOutcome
) -> None:
    kept = tags_after(offered, before, replace(answer, outcome="kept"), sent_before=False)
    assert tag_change(offered, kept).remove == tag_change(offered, before).remove
    for outcome in {*get_args(Outcome)} - {"written", "unchanged", "kept"}:
        assert tags_after(offered, before, replace(answer, outcome=outcome), sent_before=True) == before


@given(offered=SUBSETS, before=known_tags(), listed=st.booleans(), sent_before=st.booleans())
def test_after_everything_was_done_the_same_offer_asks_for_nothing(
    offered: tuple[str, ...], before: TagProvenance, listed: bool, sent_before: bool
) -> None:
    change = tag_change(offered, before)
    answer = FieldOutcome(field="tags", locale="", outcome="written")
    if listed:
        answer = replace(answer, added=change.add, removed=change.remove)
    after = tags_after(offered, before, answer, sent_before=sent_before)
    assert tag_change(offered, after).add == tag_change(offered, after).remove == ()
    assert after.editor_tags == before.editor_tags


@given(offered=SUBSETS, before=known_tags(), added=SUBSETS, removed=SUBSETS)
def test_a_tag_that_the_answer_does_not_list_belongs_to_an_editor(
    offered: tuple[str, ...], before: TagProvenance, added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    change = tag_change(offered, before)
    answer = FieldOutcome(field="tags", locale="", outcome="written", added=added, removed=removed)
    first = tags_after(offered, before, answer, sent_before=False)
    unlisted = {*change.add} - {*added}
    assert {*first.editor_tags} == {*before.editor_tags} | unlisted | ({*change.remove} - {*removed})
    retried = tags_after(offered, before, answer, sent_before=True)
    assert {*retried.editor_tags} == {*before.editor_tags} | unlisted, "an earlier attempt may have removed the others"


@given(
    known=st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=KEPT_HASHES),
    value=st.none() | st.sampled_from("abcdefghijkl"),
    outcome=st.sampled_from(get_args(Outcome)),
    sent_before=st.booleans(),
)
def test_only_a_text_that_tagger_wrote_may_be_replaced(
    known: list[str], value: str | None, outcome: Outcome, sent_before: bool
) -> None:
    answer = FieldOutcome(field="title", locale="en", outcome=outcome, value_sha256=value)
    hashes = hashes_after(known, answer, sent_before=sent_before)
    assert len(hashes) == len({*hashes}) <= KEPT_HASHES
    if value is not None and wrote(answer, sent_before=sent_before):
        assert hashes[0] == value
        assert {*hashes} <= {value, *known}
    else:
        assert hashes == tuple(known)
    assert replaceable(hashes) == [None, *hashes]


def test_the_same_words_of_somebody_else_are_not_ours() -> None:
    same = FieldOutcome(field="title", locale="en", outcome="unchanged", value_sha256="sha256:aa")
    assert hashes_after((), same, sent_before=False) == ()
    assert hashes_after((), same, sent_before=True) == ("sha256:aa",)


@given(before=known_tags(), remove=SUBSETS, add=SUBSETS, answer=answers(), sent_before=st.booleans())
def test_after_an_undo_a_tag_has_one_owner_and_an_editor_keeps_theirs(
    before: TagProvenance, remove: tuple[str, ...], add: tuple[str, ...], answer: FieldOutcome, sent_before: bool
) -> None:
    add = tuple(tag for tag in add if tag not in (*remove, *before.ours))
    after = tags_after_undo(before, remove, add, answer, sent_before=sent_before)
    assert {*after.editor_tags} >= {*before.editor_tags}
    assert len({*after.ours, *after.editor_tags}) == len(after.ours) + len(after.editor_tags), "no tag is stored twice"
    if answer.outcome not in ("written", "unchanged"):
        assert after == before


def test_a_tag_that_was_gone_before_the_undo_is_the_editors() -> None:
    gone = FieldOutcome(field="tags", locale="", outcome="unchanged", added=(), removed=())
    mine = TagProvenance(ours=("cat", "dog"))
    assert tags_after_undo(mine, ["cat"], [], gone, sent_before=False) == TagProvenance(ours=("dog",), editor_tags=("cat",))
    assert tags_after_undo(mine, ["cat"], [], gone, sent_before=True) == TagProvenance(ours=("dog",))
    assert tags_after_undo(TagProvenance(), ["cat"], [], gone, sent_before=False) == TagProvenance(), "undone a second time"
    assert tags_after_undo(mine, ["cat"], [], replace(gone, outcome="kept"), sent_before=False) == mine
