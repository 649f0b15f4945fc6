"""`[]` in place of a whole body is no object. Inside a body it is an empty object of PHP."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tagger.cms.job_body import JobIn, JobPart, Wanted, pointers

ASSET = {"id": "a", "image": {"url": "http://cms.example/a.jpg"}}


@pytest.mark.parametrize("model", [JobIn, JobPart, Wanted])
@pytest.mark.parametrize("given", [[], [1], None, "text"])
def test_a_body_that_is_no_object_is_refused_as_such(model: type[Wanted], given: object) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(given)
    assert [fault.pointer for fault in pointers(refused.value)] == [""]


def test_an_empty_list_inside_a_body_is_an_empty_object_and_null_is_not_given() -> None:
    read = JobIn.model_validate({"asset": ASSET, "context": [], "metadata": [], "profile": None, "locales": None})
    assert read == JobIn.model_validate({"asset": ASSET})
