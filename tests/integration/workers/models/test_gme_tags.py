"""Tags from GME: a probability per term, whatever band its cosines lie in; and the whole way of a picture through a worker's
models, with the tiny model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from acceptance.house import called

from tagger.catalog.vocabulary import Category, Term, Vocabulary
from tagger.evaluation.calibration import FILE, Calibration, Platt
from tagger.prediction import EmbeddingPrediction, Prediction
from workers.models.gme.bank import NEUTRAL
from workers.models.gme.scorer import TermScorer

Floats = npt.NDArray[np.float32]
WIDTH = 256


def unit(rows: Floats) -> Floats:
    out: Floats = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return out


class World:
    """Vectors of texts and pictures: each has its own meaning, and all share a direction, some more than others, as GME's do."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.shared = unit(self.rng.normal(size=WIDTH).astype(np.float32))
        self.meanings: dict[str, Floats] = {}
        self.asked: list[str] = []

    def meaning(self, word: str) -> Floats:
        if word not in self.meanings:
            self.meanings[word] = unit(self.rng.normal(size=WIDTH).astype(np.float32))
        return self.meanings[word]

    def encode(self, texts: Sequence[str]) -> Floats:
        self.asked += texts
        return unit(np.stack([(1.0 + len(t) % 5 / 2) * self.shared + 0.8 * self.meaning(t) for t in texts]))

    def picture(self, *texts: str, band: float = 1.5) -> Prediction:
        seen = sum((self.meaning(text) for text in texts), start=np.zeros(WIDTH, np.float32))
        vector = unit(band * self.shared + 0.5 * seen + 0.4 * self.meaning(f"picture {texts} {band}"))
        return Prediction(width=9, height=9, embedding=EmbeddingPrediction(model="gme@1", vector=vector))


WORDS = ("cat", "dog", "a very long name of a thing", "tree", "car", "house")
VOCABULARY = Vocabulary(
    name="v",
    version=1,
    categories=(
        Category(id="one", terms=tuple(Term(id=w, labels={"en": w}) for w in WORDS[:3])),
        Category(id="two", prompt="It shows {label}.", terms=tuple(Term(id=w, labels={"en": w}) for w in WORDS[3:])),
    ),
)
TEXT = {term: texts[0] for (_, term), texts in VOCABULARY.prompts().items()}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def scorer(world: World) -> TermScorer:
    return TermScorer(world.encode, lambda: "gme@1a2b")


@pytest.mark.parametrize("band", [0.5, 1.5, 4.0])
def test_what_is_there_is_probable_and_the_rest_is_not_in_whatever_band(world: World, scorer: TermScorer, band: float) -> None:
    for seen in WORDS:
        scores = {s.term: s.score for s in scorer.score(world.picture(TEXT[seen], band=band), VOCABULARY)}
        assert scores[seen] > 0.5
        assert max(score for term, score in scores.items() if term != seen) < 0.5
    both = {s.term: s.score for s in scorer.score(world.picture(TEXT["cat"], TEXT["car"], band=band), VOCABULARY)}
    assert min(both["cat"], both["car"]) > 0.5 > max(score for term, score in both.items() if term not in ("cat", "car"))


def test_a_picture_of_nothing_in_the_vocabulary_gets_no_tag(world: World, scorer: TermScorer) -> None:
    for number in range(20):
        scores = scorer.score(world.picture(f"something else {number}"), VOCABULARY)
        assert all(0.0 <= s.score <= 1.0 for s in scores)
        assert sum(s.score > 0.5 for s in scores) <= 1


def test_every_term_is_scored_once_in_order_and_names_its_model(world: World, scorer: TermScorer) -> None:
    scores = scorer.score(world.picture(TEXT["cat"]), VOCABULARY)
    assert [(s.category, s.term) for s in scores] == list(VOCABULARY.prompts())
    assert {s.model for s in scores} == {"gme-tags@1a2b"}


def test_a_vocabulary_is_encoded_once_however_many_threads_meet_it(world: World, scorer: TermScorer) -> None:
    picture = world.picture(TEXT["cat"])
    threads = [threading.Thread(target=scorer.score, args=(picture, VOCABULARY)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(world.asked) == sorted([*NEUTRAL, *TEXT.values()])


def test_a_calibration_is_used_for_the_weights_that_it_was_fitted_on_and_no_others(world: World) -> None:
    terms = {"dog": Platt(shift=-3.0)}
    seen = world.picture(TEXT["dog"])
    plain = {s.term: s.score for s in TermScorer(world.encode, lambda: "gme@1a2b").score(seen, VOCABULARY)}
    for model, same in (("gme-tags@1a2b", False), ("gme-tags@ffff", True)):
        calibration = Calibration(model=model, shared=Platt(), terms=terms, images=9)
        scored = TermScorer(world.encode, lambda: "gme@1a2b", calibration).score(seen, VOCABULARY)
        found = {s.term: s.score for s in scored}
        assert (found["dog"] == plain["dog"]) is same
        assert found["cat"] == pytest.approx(plain["cat"], abs=1e-4)  # what was not fitted stays


def test_without_a_vector_nothing_is_said(scorer: TermScorer) -> None:
    assert scorer.score(Prediction(width=1, height=1), VOCABULARY) == ()


def test_every_term_with_a_text_can_be_reached(scorer: TermScorer) -> None:
    category = VOCABULARY.categories[0]
    assert scorer.reach(category, category.terms[0]) is None
    assert "prompts" in (scorer.reach(category, Term(id="x", labels={"en": "x"}, prompts=(" ",))) or "")


def test_a_worker_takes_gme_where_its_weights_are(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support import gme_cases

    from tagger.settings import load
    from workers.inference.ensemble import plan, scorer, start_models

    gme_cases.directory(tmp_path / "models" / "gme")
    settings = load({}, home=tmp_path, caption="none", visual_tokens_least=4, visual_tokens_most=16)
    assert plan(settings).embed == "gme"
    models = start_models(settings, on_fatal=lambda reason: None)
    try:
        models.wait_ready(threading.Event())
        until = time.monotonic() + 60
        said = models.predict(gme_cases.picture(60, 90), "Find it.", width=90, height=60, deadline=until)
        assert said.embedding is not None
        assert said.embedding.model == models.embedder()
        scores = scorer(models.plan, None, models).score(said, VOCABULARY)
        assert len(scores) == len(WORDS)
        assert all(0.0 <= s.score <= 1.0 for s in scores)
        fitted = Calibration(model=scores[0].model, shared=Platt(shift=-1.0), terms={}, images=9)
        fitted.write(tmp_path / "vectors" / FILE)
        again = scorer(models.plan, tmp_path / "vectors", models).score(said, VOCABULARY)
        mapped = fitted.apply(np.array([s.score for s in scores]), WORDS)
        np.testing.assert_allclose([s.score for s in again], mapped, atol=1e-4)
    finally:
        models.close()


def test_a_worker_without_whole_weights_is_never_ready_and_says_why(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support import gme_cases

    from tagger.errors import ModelDirectoryInvalid
    from tagger.settings import load
    from workers.inference.ensemble import start_models

    folder = gme_cases.directory(tmp_path / "models" / "gme")
    (folder / "tokenizer.json").unlink()
    models = start_models(load({}, home=tmp_path, caption="none", embed="gme"), on_fatal=lambda reason: None)
    try:
        with pytest.raises(ModelDirectoryInvalid, match=r"tokenizer.json: file is missing") as caught:
            models.wait_ready(threading.Event())
        assert not models.ready()
        assert "tagger models pull" in caught.value.info().remedy
    finally:
        models.close()


def test_a_worker_may_fetch_what_it_was_told_to_use(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support import gme_cases

    from tagger.settings import load
    from workers.inference.ensemble import start_models

    gme_cases.directory(tmp_path / "mirror" / "gme")
    told = {"caption": "none", "embed": "gme", "model_pull": True, "model_mirror": tmp_path / "mirror"}
    small = {"visual_tokens_least": 4, "visual_tokens_most": 16}
    models = start_models(load({}, home=tmp_path / "home", **told, **small), on_fatal=lambda reason: None)
    try:
        models.wait_ready(threading.Event())
        assert models.ready()
        assert (tmp_path / "home" / "models" / "gme" / "tagger-manifest.json").is_file()
    finally:
        models.close()


def test_evaluate_calibrates_each_term(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from PIL import Image
    from support import gme_cases

    gme_cases.directory(tmp_path / "home" / "models" / "gme")
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(gme_cases.picture(60, 90, number)).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "labels.csv").write_text("file,true_tags\n0.png,cat\n1.png,dog\n2.png,cat\n")
    settings = {"CAPTION": "none", "EMBED": "gme", "VISUAL_TOKENS_LEAST": "4", "VISUAL_TOKENS_MOST": "16"}
    env = {f"TAGGER_{name}": value for name, value in settings.items()}
    asked = ["--images", tmp_path / "photos", "--labels", tmp_path / "labels.csv", "--tags-from-labels", "--calibrate"]
    done = called("evaluate", *map(str, asked), "--out", str(tmp_path / "out"), home=tmp_path / "home", **env)
    assert done.returncode == 0, done.stderr
    fitted = Calibration.read(tmp_path / "home" / "models" / "vectors" / FILE)
    assert fitted is not None
    assert (fitted.images, set(fitted.terms)) == (3, {"cat", "dog"})
    assert fitted.model in json.loads((tmp_path / "out" / "results.json").read_text())["trials"][0]["models"]
    assert "is now calibrated on 3 images" in done.stderr.replace("\n", " ")
