"""What the file says of itself becomes context, with its source, and is kept with the prediction of the same bytes."""

from __future__ import annotations

from tagger.asset import Context, ImageSource
from tagger.catalog.load import load_catalog
from tagger.file_metadata import FileMetadata, Said, beside, told
from tagger.job import Claim, JobRequest
from tagger.prediction import CaptionPrediction, Prediction
from tagger.site import Site
from workers.inference.scorer import LabelScorer
from workers.pipeline import prediction_codec
from workers.pipeline.judge import SiteRules

FILE = FileMetadata(
    caption=Said(text="Tabby cat on a red sofa", source="xmp", locale="en"),
    title=Said(text="Tibby", source="iptc"),
    keywords=(Said(text="cat", source="iptc"), Said(text="sofa", source="xmp")),
    taken=Said(text="2026-11-21T09:30:00", source="exif"),
    orientation=6,
    warnings=("The EXIF block cannot be read.",),
)
SEEN = Prediction(
    width=640,
    height=480,
    caption=CaptionPrediction(model="ofa-caption@1a2b", text="a tabby cat on a red sofa", score=0.95),
    file=FILE,
)


def claim(context: Context) -> Claim:
    source = ImageSource(kind="url", location="https://cms.example/a.jpg")
    request = JobRequest(site_id="s", asset_id="1", source=source, context=context)
    return Claim(
        job_id="job_1",
        token="t",
        lane="upload",
        failures=0,
        crashes=0,
        deadline_ms=9,
        created_ms=0,
        claimed_ms=0,
        request=request,
    )


def judged(context: Context) -> tuple[list[tuple[str, str, tuple[str, ...]]], tuple[str, ...]]:
    rules = SiteRules(load_catalog(), LabelScorer(), instructed=False)
    made = rules.judge(claim(context), Site(id="s", name="s"), SEEN)
    return [(a.field, a.verdict.action, a.verdict.reasons) for a in made.annotations if a.field != "tags"], made.warnings


def test_an_alt_text_that_repeats_the_files_own_caption_goes_to_a_person() -> None:
    verdicts, warnings = judged(Context(contains_text=False))
    assert verdicts[0] == ("alt_text", "review", ("redundant",))
    assert warnings == (
        "Read from the file as context: caption (xmp); title (iptc); 2 keywords (iptc, xmp); taken 2026-11-21T09:30:00 (exif).",
        "The EXIF block cannot be read.",
    )


def test_the_cms_knows_better_than_the_file() -> None:
    verdicts, warnings = judged(Context(contains_text=False, caption="At home", title="Evening"))
    assert verdicts[0] == ("alt_text", "publish", ())
    assert "caption" not in warnings[0]


def test_an_alt_text_in_the_file_stands_for_a_missing_caption() -> None:
    said = FileMetadata(alt_text=Said(text="A cat", source="xmp"))
    assert beside(Context(), said).caption == "A cat"
    assert beside(Context(caption=""), said).caption == "", "the CMS says that there is none"
    assert told(Context(), FileMetadata()) == ()


def test_the_cache_keeps_what_the_file_said() -> None:
    again = prediction_codec.load(prediction_codec.dump(SEEN))
    assert again is not None
    assert again.file == FILE
    assert prediction_codec.load(prediction_codec.dump(SEEN).replace(b'"form":%d' % prediction_codec.FORM, b'"form":5')) is None
