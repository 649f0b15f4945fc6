"""Requests of the command line to the models: `python -m workers.ask reach | vectors | images`.

The request is JSON on standard input. The answers are JSON lines on standard output; the log goes to standard error.

    reach    {"vocabulary": YAML}  → {"model", "unreachable": {term id: why}}, of the lite models; GME reaches any words
    vectors  {"vocabulary": YAML}  → {"model", "texts", "dimensions", "file"}, of the lite models; GME makes its own as it starts
    images   {"vocabulary": YAML, "profile": name, "images": [path, …]}  → one line an image: {"file", "models", "scores"
             of every term, "tags" that publish, "caption" as the model wrote it, "annotations", "facts" for the
             text rules}, or {"file", "error"}

Exit status: 0 answered · 1 the models or the request failed; the answer is {"error": ErrorInfo}.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tagger.asset import Context
from tagger.catalog import vocabulary_file
from tagger.catalog.load import load_catalog
from tagger.catalog.profile import Profile
from tagger.catalog.vocabulary import Vocabulary
from tagger.errors import BadRequest, TaggerError
from tagger.judge import gate
from tagger.prediction import Prediction
from tagger.settings import Settings, load
from tagger.telemetry import logs
from workers.decode.pool import DecoderPool
from workers.inference.ensemble import Models, long_side, scorer, start_models
from workers.inference.scorer import Scorer
from workers.models.lite import TermScorer, TextEncoder
from workers.models.lite.words import english

AHEAD = 4  # images in flight: enough to keep a batch and the decoders busy

Answer = dict[str, Any]


def reach(question: Mapping[str, Any], _settings: Settings) -> Iterator[Answer]:
    vocabulary = vocabulary_file.parse(question["vocabulary"])
    encoder = TextEncoder()  # in memory: one call per term would leave one file per term
    encoder.vectors([text for _, term in vocabulary for text in english(term)])
    scorer = TermScorer(encoder)
    reasons = {term.id: reason for category, term in vocabulary if (reason := scorer.reach(category, term)) is not None}
    yield {"model": scorer.model, "unreachable": reasons}


def vectors(question: Mapping[str, Any], settings: Settings) -> Iterator[Answer]:
    vocabulary = vocabulary_file.parse(question["vocabulary"])
    encoder = TextEncoder(cache_dir=settings.vectors)
    texts = [text for _, term in vocabulary for text in english(term)]
    rows = encoder.stored(texts)
    yield {"model": encoder.model, "texts": len(rows), "dimensions": rows.shape[1], "file": str(encoder.place(texts))}


def images(question: Mapping[str, Any], settings: Settings) -> Iterator[Answer]:
    profile = load_catalog(settings.home).require(question["profile"])
    vocabulary = vocabulary_file.parse(question["vocabulary"])
    decoder = DecoderPool.of(settings, long_side=long_side(settings))  # before tagger starts a thread
    models = start_models(settings, on_fatal=lambda _reason: None)
    try:
        models.wait_ready(threading.Event())
        asked = _ImageQuestion(settings, decoder, models, scorer(models.plan, settings.vectors, models), profile, vocabulary)
        with ThreadPoolExecutor(AHEAD) as pool:
            yield from pool.map(asked.answer, question["images"])
    finally:
        models.close()
        decoder.close()


class _ImageQuestion:
    """The way of one image without a ledger: decode, predict, judge."""

    def __init__(
        self, settings: Settings, decoder: DecoderPool, models: Models, scores: Scorer, profile: Profile, vocabulary: Vocabulary
    ) -> None:
        self._settings = settings
        self._decoder = decoder
        self._models = models
        self._scorer = scores
        self._profile = profile
        self._vocabulary = vocabulary

    def answer(self, file: str) -> Answer:
        try:
            return self._judged(file, self._predict(file))
        except TaggerError as err:
            return {"file": file, "error": err.info().to_dict()}

    def _predict(self, file: str) -> Prediction:
        until = time.monotonic() + self._settings.job_seconds
        try:
            data = Path(file).read_bytes()
        except OSError as err:
            raise BadRequest(f"{file} cannot be read: {err.strerror}.", "Check the path and the permissions.") from err
        decoded = self._decoder.decode(data, deadline=until)
        instruction = self._profile.instruction if self._models.takes_instructions else ""
        seen = self._models.predict(decoded.pixels, instruction, width=decoded.width, height=decoded.height, deadline=until)
        return replace(seen, content=decoded.content)

    def _judged(self, file: str, prediction: Prediction) -> Answer:
        scores = self._scorer.score(prediction, self._vocabulary)
        question = gate.Question(
            vocabulary=self._vocabulary,
            profile=self._profile,
            site_id="",
            locales=("en",),
            fields=("alt_text", "caption", "tags"),
            context=Context(role="informative"),
        )
        annotations, _ = gate.judge(prediction, scores, question)
        tags = [t.id for a in annotations if isinstance(a.value, tuple) and a.verdict.action == "publish" for t in a.value]
        caption = prediction.caption
        return {
            "file": file,
            "models": sorted({*prediction.models, *(s.model for s in scores)}),
            "scores": {s.term: round(s.score, 6) for s in scores},
            "tags": tags,
            "kind": prediction.kind,
            "caption": {"text": caption.text, "score": gate.caption_score(caption), "model": caption.model} if caption else None,
            "annotations": [a.to_dict() for a in annotations if a.field != "tags"],
            "facts": asdict(gate.facts_of(prediction)),
        }


QUESTIONS = {"reach": reach, "vectors": vectors, "images": images}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.ask", description="Questions to the models. Settings: TAGGER_*.")
    parser.add_argument("question", choices=sorted(QUESTIONS))
    args = parser.parse_args()
    try:
        settings = load()
        logs.configure(settings, "ask", stream=sys.stderr)
        for answer in QUESTIONS[args.question](json.load(sys.stdin), settings):
            print(json.dumps(answer, ensure_ascii=False), flush=True)  # noqa: T201 - the answer
    except TaggerError as err:
        print(json.dumps({"error": err.info().to_dict()}, ensure_ascii=False), flush=True)  # noqa: T201 - the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
