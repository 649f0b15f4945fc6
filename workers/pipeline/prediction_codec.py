"""A Prediction as bytes for the ledger's cache: JSON, with the vector and the class scores in base64. Never a pickle.

If a value cannot be read (an older format, a cut value), it counts as not cached.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tagger.asset import Context
from tagger.file_metadata import FileMetadata, Said
from tagger.prediction import (
    CaptionPrediction,
    ClassScore,
    DetectedObject,
    EmbeddingPrediction,
    EntailmentPrediction,
    Face,
    KindScore,
    Look,
    Prediction,
    TextLine,
    Vector,
)

T = TypeVar("T")

FORM = 9  # version of the JSON; another version is not read
HALVES, DOUBLES = "<f2", "<f8"  # numbers as bytes, little-endian


def key(*, site_id: str, sha256: str, models: tuple[str, ...], instruction: str, context: Context) -> str:
    """The key: everything that a prediction depends on, without what only the judgement needs (profile, locales, vocabulary)."""
    parts = [FORM, site_id, sha256, list(models), instruction, context.to_dict()]
    # The hash of the image comes first, so that all predictions of an image can be erased.
    return sha256 + hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def dump(prediction: Prediction) -> bytes:
    body = {"form": FORM, **vars(prediction)}
    # sixty scores as decimals took longer than all the rest
    scores = np.array([c.score for c in prediction.classes], DOUBLES)
    body["classes"] = [c.label for c in prediction.classes], _encode(scores.tobytes())
    if prediction.embedding is not None:
        body["embedding"] = {"model": prediction.embedding.model, "vector": _encode(encode_vector(prediction.embedding.vector))}
    return json.dumps(body, default=vars, ensure_ascii=False, separators=(",", ":")).encode()


def load(value: bytes) -> Prediction | None:
    """The prediction, or None if these bytes are not one of this form."""
    try:
        body = _tupled(json.loads(value))
        return _read(body) if body["form"] == FORM else None
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None


def encode_vector(vector: Vector) -> bytes:
    """[d] float32 → float16, little-endian, as the ledger keeps it."""
    return vector.astype(HALVES).tobytes()


def _encode(numbers: bytes) -> str:
    return base64.b64encode(numbers).decode()


def _decode(text: str, form: str) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), form)


def _vector(text: str) -> Vector:
    vector = _decode(text, HALVES).astype(np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)  # float16 changed its length a little


def _tupled(body: Any) -> Any:
    """Turns the lists of the JSON back into tuples."""
    if isinstance(body, list):
        return tuple(_tupled(item) for item in body)
    return {key: _tupled(item) for key, item in body.items()} if isinstance(body, dict) else body


def _read(body: dict[str, Any]) -> Prediction:
    caption, embedding, look = body["caption"], body["embedding"], body["look"]
    labels, scores = body["classes"]
    classes = zip(labels, _decode(scores, DOUBLES).tolist(), strict=True)
    return Prediction(
        width=body["width"],
        height=body["height"],
        caption=CaptionPrediction(**caption) if caption else None,
        embedding=EmbeddingPrediction(model=embedding["model"], vector=_vector(embedding["vector"])) if embedding else None,
        classes=tuple(ClassScore(label=label, score=score) for label, score in classes),
        objects=tuple(DetectedObject(**o) for o in body["objects"]),
        look=Look(**look) if look else None,
        entailment=tuple(EntailmentPrediction(**e) for e in body["entailment"]),
        kinds=tuple(KindScore(**k) for k in body["kinds"]),
        lines=_each(TextLine, body["lines"]),
        faces=_each(Face, body["faces"]),
        models=body["models"],
        look_hash=body.get("look_hash"),  # an older one has none
        content=body["content"],
        file=_file(body["file"]),
    )


def _each(kind: Callable[..., T], bodies: tuple[dict[str, Any], ...] | None) -> tuple[T, ...] | None:
    return None if bodies is None else tuple(kind(**body) for body in bodies)


def _file(body: dict[str, Any]) -> FileMetadata:
    texts = {name: Said(**body[name]) if body[name] else None for name in ("caption", "alt_text", "title", "taken")}
    return FileMetadata(
        **texts,
        keywords=tuple(Said(**said) for said in body["keywords"]),
        orientation=body["orientation"],
        warnings=body["warnings"],
    )
