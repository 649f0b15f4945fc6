"""What of a server's text becomes a caption."""

from __future__ import annotations

import pytest

from workers.models.openai.words import LONGEST, caption_in


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ('"A red  wall."', "A red wall."),
        ("<think>I see\na wall.</think>\nA red wall.", "A red wall."),
        ("I see a wall.</think>A red wall.", "A red wall."),
        ("<thinking>Hm.</thinking> A red wall.", "A red wall."),
        ("A red\ud800 wall\x00\x1b\u2028here.", "A red wall here."),
        ("An AI robot cannot climb a wall.", "An AI robot cannot climb a wall."),
        ("A man who is sorry, as an AIR hostess comforts him.", "A man who is sorry, as an AIR hostess comforts him."),
    ],
    ids=["quotes", "thought", "end of a thought", "thinking", "signs", "robot", "words within"],
)
def test_a_caption_is_the_sentence_alone(text: str, caption: str) -> None:
    assert caption_in(text) == caption


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t identify people.",
        "I am very sorry.",
        "I cannot describe this picture.",
        "i can't see it",
        "I am unable to view images.",
        "I'm unable to view images.",
        "I'm not able to do that.",
        "As an AI, I have no eyes.",
        "Sorry, no.",
        '"Sorry, no."',
        "I apologize.",
        "Unfortunately, I see nothing.",
        "The picture shows a person. I cannot say who it is.",
    ],
)
def test_a_refusal_is_no_caption(text: str) -> None:
    assert caption_in(text) is None


@pytest.mark.parametrize(
    "text", ["", " ", '""', "<think>A red wall", "A red wall. <think>Or", "<think>x</think>", "\x00\ud800"], ids=range(7)
)
def test_nothing_and_half_a_thought_are_no_caption(text: str) -> None:
    assert caption_in(text) is None


def test_a_long_text_is_cut() -> None:
    assert len(caption_in("wall " * 1_000) or "") == LONGEST - 1, "and ends without a blank"
