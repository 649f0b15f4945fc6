"""The two steps of an image in its own task thread, before and after the batch. Every error of the model becomes a typed
error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from tagger.errors import ModelError, ModelOutOfMemory, PoisonImage, TaggerError
from tagger.prediction import Pixels
from workers.inference.isolate import is_out_of_memory
from workers.models.base import Model, PartialPrediction

P = TypeVar("P")
R = TypeVar("R")


def prepared(model: Model[P, Any], prepare: Callable[[], P]) -> tuple[P, float]:
    """The input of one image and its cost units. Errors: PoisonImage, ModelOutOfMemory, or the model's own typed ones."""
    try:
        item = prepare()
        size = model.size(item)
        if not 0 < size < math.inf:
            raise ValueError(f"the model says that this image costs {size} units")
    except TaggerError:
        raise
    except Exception as err:
        kind = ModelOutOfMemory if is_out_of_memory(err) else PoisonImage
        raise kind(f"{type(err).__name__}: {err}"[:300]) from err
    return item, size


def finished(model: Model[Any, R], raw: R, pixels: Pixels) -> PartialPrediction:
    """The prediction of a raw result. Errors: ModelError, or the model's own typed ones."""
    try:
        return model.finish(raw, pixels)
    except TaggerError:
        raise
    except Exception as err:
        raise ModelError(f"{type(err).__name__}: {err}"[:300]) from err
