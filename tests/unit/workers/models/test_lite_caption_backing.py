"""Whatever the models and the pixels say: every noun of a caption has evidence, every colour has pixels."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.asset import Context
from tagger.catalog.load import load_catalog
from tagger.judge.gate import Question, judge
from tagger.prediction import ClassScore, DetectedObject, KindScore, Pixels, Prediction
from workers.models.lite import look
from workers.models.lite.captions.compose import caption
from workers.models.lite.captions.english import PLURALS, plain, plural
from workers.models.lite.captions.nouns import all_nouns, sources
from workers.models.lite.captions.subject import HINTED
from workers.models.lite.detect import sure
from workers.models.lite.lexicon import lexicon

KNOWN = lexicon()
CATALOG = load_catalog()
NOUNS = {form: n.word for n in all_nouns() for form in (n.word, plural(n.word))}
EMPTY = re.compile(
    r"\b(a|an|of|in|on|with|and|beside|under|against|front|two|three|four|five|six|seven|eight|nine|ten|close-up|portrait|sky"
    r"|grass|background|clothing|outdoors|indoors|dark|pale|black|white|red|orange|yellow|green|blue|purple|pink|brown|grey)\b"
)
# A colour, and no thing of its own: "in dark clothing", "in orange", "an orange dahlia".
COLOURED = re.compile(
    r"\bin (dark|pale|black|white|red|orange|yellow|green|blue|purple|pink|brown|grey)( clothing)?\b"
    r"|\borange (?!in\b|on\b|and\b|with\b|beside\b|under\b|against\b)(?=\w)"
)
LEAST = 0.02  # score of a class or probability of a box, under which nothing is evidence

boxes = st.tuples(st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0.1, 0.4), st.floats(0.1, 0.4)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
things = st.builds(
    lambda label, score, box: DetectedObject(label=label, score=score, box=box),
    st.sampled_from(KNOWN.objects),
    st.floats(0.3, 0.95),
    boxes,
)
objects = st.lists(things, max_size=5)
shares = st.lists(
    st.tuples(st.sampled_from(KNOWN.classes), st.floats(0.02, 1.0)), min_size=0, max_size=6, unique_by=lambda p: p[0]
)
colours = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Prediction, Pixels]:
    """Any classes with scores of sum one at most, any objects, and pixels of a few colours."""
    some = draw(shares)
    total = max(1.0, sum(p for _, p in some))
    pixels = np.full((64, 64, 3), draw(colours), np.uint8)
    pixels[: draw(st.integers(0, 64))] = draw(colours)
    pixels[16:48, 16:48] = draw(colours)
    prediction = Prediction(
        width=640,
        height=480,
        classes=tuple(ClassScore(label=label, score=p / total) for label, p in sorted(some, key=lambda pair: -pair[1])),
        objects=tuple(sorted(draw(objects), key=lambda o: -o.score)),
        look=look.look(pixels, pixels),
        kinds=(KindScore(kind="photograph", score=1.0),),
    )
    return prediction, pixels


def rest_of(text: str, prediction: Prediction) -> tuple[set[str], str]:
    """The nouns of a text, and what is left of it without them and without the words of the grammar."""
    left, found = COLOURED.sub(" ", text), set()
    own = {plain(c.label): plain(c.label) for c in prediction.classes}
    for form, word in sorted({**own, **NOUNS}.items(), key=lambda pair: -len(pair[0])):
        pattern = re.compile(rf"(?<![\w-]){re.escape(form)}(?![\w-])")
        if pattern.search(left):
            left = pattern.sub(" ", left)
            found.add(word)
    return found, EMPTY.sub(" ", left).replace(",", " ").strip()


def backed(word: str, prediction: Prediction) -> bool:
    """By a class that is such a thing, by a box of that name, or, of scenery, by the tag."""
    scores = {c.label: c.score for c in prediction.classes}
    if any(plain(label) == word for label in scores):
        return True
    rows = sources(word)
    by_class = any(scores.get(KNOWN.classes[row], 0.0) >= LEAST for row in rows if row < len(KNOWN.classes))
    by_box = any(o.label == word and sure(o) >= HINTED for o in prediction.objects)
    return by_class or by_box or any(n.word == word and n.scenery for n in all_nouns())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(pictures())
def test_every_noun_is_backed_and_every_word_is_known(picture: tuple[Prediction, Pixels]) -> None:
    prediction, pixels = picture
    made = caption(prediction, pixels, "lite-composed@0")
    if made is None:
        return
    nouns, left = rest_of(made.text, prediction)
    assert left == "", made.text
    assert nouns, made.text
    for word in nouns:
        assert backed(word, prediction), (made.text, word)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(pictures())
def test_what_publishes_is_sure_agreed_and_short(picture: tuple[Prediction, Pixels]) -> None:
    prediction, pixels = picture
    made = caption(prediction, pixels, "lite-composed@0")
    profile = CATALOG.require("general")
    question = Question(
        vocabulary=CATALOG.vocabulary(profile),
        profile=profile,
        site_id="",
        locales=("en", "zh-Hans"),
        fields=("alt_text", "caption"),
        context=Context(),
    )
    annotations, _ = judge(_with(prediction, made), (), question)
    for annotation in annotations:
        if annotation.verdict.action == "publish":
            assert made is not None
            assert made.specific
            assert made.score >= 0.8
            assert 1 <= len(str(annotation.value)) <= 125


def _with(prediction: Prediction, made: object) -> Prediction:
    return Prediction(**{**vars(prediction), "caption": made})


def test_the_plurals_that_are_listed_are_of_known_nouns() -> None:
    assert {word for word in PLURALS if word not in NOUNS} <= {"mouse", "bus", "wolf", "goose", "fish", "sheep"}
