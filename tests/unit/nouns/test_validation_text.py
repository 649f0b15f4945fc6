"""What a person reads about a value that is not valid: no word of the library that found it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tagger.api.shapes import SiteIn
from tagger.cms.generic.edit import EditIn
from tagger.cms.job_body import JobIn
from tagger.validation_text import fault_text

ASSET: dict[str, Any] = {"id": "a", "image": {"url": "https://cms.example/a.jpg"}}
CASES: list[tuple[Any, Any, str]] = [
    (JobIn, {"asset": {**ASSET, "id": ""}}, "must not be empty"),
    (JobIn, {"asset": {**ASSET, "id": "i" * 513}}, "must have at most 512 characters"),
    (JobIn, {"asset": ASSET, "locales": []}, "must not be empty"),
    (JobIn, {"asset": ASSET, "metadata": {str(n): "x" for n in range(21)}}, "must have at most 20 entries"),
    (JobIn, {"asset": ASSET, "metadata": "x"}, "must be an object"),
    (JobIn, {"asset": ASSET, "locales": "en"}, "must be a list"),
    (JobIn, {"asset": ASSET, "context": {"title": 5}}, "must be a text"),
    (JobIn, {"asset": ASSET, "locales": ["english"]}, "'english' is not a BCP 47 language tag such as en, pt-BR or zh-Hans"),
    (JobIn, {"asset": ASSET, "colour": 1}, "is not known"),
    (JobIn, {}, "is missing"),
    (EditIn, {"by": "person", "fields": {"alt_text": {"en": "x"}}}, "must be an object"),
    (SiteIn, {"id": "My Blog", "name": "x"}, "must be 1 to 63 of a-z, 0-9 and `-`, and begin with a letter or a digit"),
]


@pytest.mark.parametrize(("model", "given", "told"), CASES, ids=range(len(CASES)))
def test_a_fault_is_told_in_plain_words(model: Any, given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert [fault_text(error) for error in caught.value.errors()] == [told]
