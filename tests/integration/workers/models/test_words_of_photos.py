"""The real models and rules on real photographs: every text on offer is clean, and a Chinese site gets Chinese tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.alttext_linter import faults

from tagger.asset import Context, ImageSource
from tagger.catalog.load import load_catalog
from tagger.catalog.profile import BUILT_IN, built_in
from tagger.cms.generic import callback
from tagger.delivery import DeliveryClaim, Endpoint
from tagger.job import Claim, JobRequest
from tagger.prediction import Prediction
from tagger.site import Site
from workers.models.base import merge
from workers.models.lite import TermScorer, TextEncoder, load
from workers.pipeline.deps import Judged
from workers.pipeline.judge import SiteRules

PHOTOS = sorted(p for p in (Path(__file__).parents[4] / "tagger" / "demo" / "photos").iterdir() if p.suffix in (".jpg", ".png"))


@pytest.fixture(scope="module")
def seen() -> Mapping[str, Prediction]:
    model, found = load(), {}
    for path in PHOTOS:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        part = model.finish(model.run([model.prepare(pixels, "")])[0], pixels)
        found[path.name] = merge([part], width=pixels.shape[1], height=pixels.shape[0])
    return found


@pytest.fixture(scope="module")
def rules() -> SiteRules:
    return SiteRules(load_catalog(), TermScorer(TextEncoder()), instructed=False)


def judge(rules: SiteRules, site: Site, prediction: Prediction, profile: str = "general") -> Judged:
    source = ImageSource(kind="url", location="https://cms.example/a.jpg")
    context = Context(role="informative", contains_text=False)
    request = JobRequest(site_id=site.id, asset_id="1", source=source, profile=profile, locales=site.locales, context=context)
    times = {"deadline_ms": 9, "created_ms": 0, "claimed_ms": 0}
    claim = Claim(job_id="job_1", token="t", lane="upload", failures=0, crashes=0, request=request, **times)
    return rules.judge(claim, site, prediction)


@pytest.mark.parametrize("profile", BUILT_IN)
def test_no_alt_text_that_publishes_breaks_a_rule(seen: Mapping[str, Prediction], rules: SiteRules, profile: str) -> None:
    published = 0
    for file, prediction in seen.items():
        made = judge(rules, Site(id="s", name="s", locales=("en", "zh-Hans")), prediction, profile)
        for annotation in made.annotations:
            if annotation.field == "alt_text" and annotation.verdict.action == "publish" and annotation.value:
                published += 1
                assert isinstance(annotation.value, str)
                found = faults(annotation.value, annotation.locale, final_stop=built_in(profile).text.final_stop)
                assert found == [], (file, annotation.value)
    assert published >= 1, "some photographs have a specific subject"


def test_a_chinese_site_gets_chinese_tags_in_its_callback(seen: Mapping[str, Prediction], rules: SiteRules) -> None:
    site = Site(id="zh", name="中文站", locales=("zh-Hans",))
    made = judge(rules, site, seen["sk_chelsea.png"])
    assert made.delivery_fields is not None
    endpoint = Endpoint(id="end_1", site_id="zh", url="https://cms.example/cb", secrets=("whsec_x",))
    sent = callback.body(
        DeliveryClaim(
            delivery_id="dlv_1",
            token="t",
            job_id="job_1",
            site_id="zh",
            asset_id="1",
            sequence=1,
            failures=0,
            attempts=1,
            described_ms=1_795_253_401_000,
            fields=made.delivery_fields,
            provenance={},
            provenance_tags=(),
            metadata={},
            endpoint=endpoint,
        )
    )
    fields = json.loads(sent)["data"]["fields"]
    labels = {tag["id"]: tag["label"] for tag in fields["tags"]["add"]}
    assert labels["cat"] == "猫"
    assert all(any("\u4e00" <= c <= "\u9fff" for c in label) for label in labels.values()), labels
    assert set(fields) == {"tags"}, "English words are never offered to readers of Chinese"


def test_plainly_wrong_tags_stay_away(seen: Mapping[str, Prediction], rules: SiteRules) -> None:
    """Words that only a homonym or a generic synonym would bring."""
    wrong = {"sk_chelsea.png": {"musical_instrument"}, "sk_rocket.jpg": {"musical_instrument"}, "sk_coffee.png": {"island"}}
    for file, terms in wrong.items():
        made = judge(rules, Site(id="s", name="s"), seen[file])
        offered = {t["id"] for t in (made.delivery_fields or {}).get("tags", {}).get("add", ())}
        assert offered
        assert not offered & terms
    made = judge(rules, Site(id="s", name="s"), seen["flower.jpg"], "news")
    offered = {t["id"] for t in (made.delivery_fields or {}).get("tags", {}).get("add", ())}
    assert "factory" not in offered
