"""What a request may hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.asset import ImageSource
from tagger.errors import BadRequest
from tagger.job import JobRequest

REQUEST = JobRequest(site_id="s", asset_id="a", source=ImageSource(kind="url", location="https://cms.example/a.jpg"))


@given(st.text(st.sampled_from("\x00\\u0a'\"")), st.booleans())
def test_a_request_is_refused_for_a_nul_and_for_nothing_that_looks_like_one(text: str, as_key: bool) -> None:
    request = replace(REQUEST, metadata={text: "1"} if as_key else {"post": text})
    if "\x00" in text:
        with pytest.raises(BadRequest, match="NUL"):
            request.check_storable()
    else:
        request.check_storable()
