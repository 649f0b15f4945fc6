"""An evaluation run over labelled images: sets apart, failures counted, published texts checked, and the plot."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tagger.catalog.profile import built_in
from tagger.catalog.vocabulary_file import built_in as vocabulary_of
from tagger.evaluation import metrics, run
from tagger.evaluation.backed import is_backed
from tagger.evaluation.diagram import diagram
from tagger.evaluation.ground_truth import Labels

LABELS = Labels(
    tags={"a.jpg": frozenset({"cat", "pet"}), "b.jpg": frozenset({"dog"}), "c.jpg": frozenset({"tree"})},
    captions={"a.jpg": ("a tabby cat",), "b.jpg": ("a dog on a lawn",)},
)


def answer(file: str, scores: dict[str, float], alt: str | None = None, action: str = "publish") -> dict[str, Any]:
    annotation = {"field": "alt_text", "locale": "en", "value": alt, "verdict": {"action": action, "reasons": []}}
    caption = {"text": alt.lower(), "score": 0.9, "model": "m@1"} if alt else None
    tags = [term for term, score in scores.items() if score >= 0.5]
    return {"file": file, "models": ["m@1"], "scores": scores, "tags": tags, "caption": caption, "annotations": [annotation]}


def made(*answers: dict[str, Any]) -> run.EvaluationRun:
    return run.evaluation_run(
        "general", answers, vocabulary=vocabulary_of("general"), profile=built_in("general"), terms=["cat", "dog", "pet", "tree"]
    )


GOOD = (
    answer("a.jpg", {"cat": 0.9, "dog": 0.1, "pet": 0.3, "tree": 0.0}, "Tabby cat"),
    answer("b.jpg", {"cat": 0.6, "dog": 0.7, "pet": 0.0, "tree": 0.0}),
)


def test_figures_count_what_was_published() -> None:
    found = run.figures("all images", made(*GOOD), ["a.jpg", "b.jpg"], LABELS)
    counts = found.tags.overall
    assert (counts.offered, counts.true, counts.right) == (3, 3, 2)
    assert found.tags.top1 == 1.0
    assert found.cider is not None
    assert found.cider > 0
    assert (found.alt_texts, found.broken_alt_texts) == (1, 0)


def test_a_caption_is_judged_by_the_words_that_people_used() -> None:
    wrong = {**answer("b.jpg", {"cat": 0.6, "dog": 0.7, "pet": 0.0, "tree": 0.0}, "Oscilloscope"), "kind": "photograph"}
    found = run.figures("all images", made(GOOD[0], wrong), ["a.jpg", "b.jpg"], LABELS)
    assert found.covered == pytest.approx(0.5), "both words of one reference, none of the other"
    assert (found.alt_texts, found.backed_alt_texts) == (2, 1)
    assert found.summary()["kinds"]["photograph"]["precision"] == 0.5, "a dog, and no cat"


def test_a_plural_and_a_tag_back_a_text() -> None:
    assert is_backed("Two cats", ["a tabby cat"], [])
    assert is_backed("Musical instruments", [], ["musical_instrument"])
    assert not is_backed("The boat", ["the cat"], ["sea"])


def test_an_image_that_failed_counts_as_one_without_tags() -> None:
    failed = {"file": "c.jpg", "error": {"detail": "The file is empty."}}
    one = made(*GOOD, failed)
    assert one.failed == {"c.jpg": "The file is empty."}
    found = run.figures("all images", one, ["c.jpg"], LABELS)
    assert found.tags.overall.recall == 0.0
    assert found.tags.overall.precision is None


@pytest.mark.parametrize("bad", ["Photo of a cat", "A beautiful cat", "img_1234.jpg", "cat cat cat cat"])
def test_a_published_alt_text_that_breaks_a_rule_is_found(bad: str) -> None:
    assert made(answer("a.jpg", {}, bad)).broken_alt_texts == {"a.jpg": bad}
    assert made(answer("a.jpg", {}, bad, action="review")).broken_alt_texts == {}


def test_what_was_tuned_on_is_reported_apart() -> None:
    assert run.split(LABELS.files, None) == {"all images": ("a.jpg", "b.jpg", "c.jpg")}
    assert run.split(LABELS.files, ["a.jpg"]) == {"tuned": ("a.jpg",), "untuned": ("b.jpg", "c.jpg")}
    assert run.split(LABELS.files, LABELS.files) == {"tuned": LABELS.files}


def test_an_evaluation_run_is_the_same_after_its_json() -> None:
    one = made(*GOOD)
    assert run.EvaluationRun.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_the_plot_is_svg_with_a_dot_for_each_bin() -> None:
    found = run.figures("x", made(*GOOD), ["a.jpg", "b.jpg"], LABELS).tags.calibration
    text = diagram([("first <&>", found), ("none", metrics.Calibration(error=None, bins=()))])
    circles = ET.fromstring(text).findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(found.bins) + 2, "and one in the legend for each curve"
    assert "first &lt;&amp;&gt;" in text


def test_a_sign_that_was_read_is_quoted_and_one_that_was_not_breaks_a_rule() -> None:
    quoted = answer("a.jpg", {}, 'Sign that reads "NO PARKING"')
    read = {"contains_text": True, "lines": ["NO PARKING"]}
    assert made({**quoted, "facts": read}).broken_alt_texts == {}
    assert made({**quoted, "facts": {**read, "lines": ["NO ENTRY"]}}).broken_alt_texts
    assert made(quoted).broken_alt_texts
