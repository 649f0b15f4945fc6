"""What is sent to a server for a caption, and what its answer means. Pure."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tagger.errors import ModelError, ModelServerUnavailable
from tagger.net.client import Reply
from tagger.prediction import Pixels
from workers.models.openai.words import caption_in, printable

PROMPT = (
    "Describe this picture in one short English sentence, as the alternative text of a web page. Say only what can be seen. "
    "Do not name persons, and do not guess age, gender, origin or mood. Answer with the sentence alone."
)
MOST_TOKENS = 100  # of an answer; a sentence has 10 to 30
QUALITY = 90  # of the JPEG
OF_THE_IMAGE = frozenset({413, 415})  # statuses by which a server refuses one picture
OF_THE_REQUEST = frozenset({400, 422})  # the picture, or a setting such as the model or the log-probabilities
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)  # deep JSON, huge numbers
SHOWN = 200  # characters of a server's message that an error repeats


@dataclass(frozen=True, kw_only=True)
class Sentence:
    text: str
    log_prob: float | None  # mean per token; None: the server gave none


def revision(url: str, model: str) -> str:
    """First 8 hex digits: other predictions are made by another server, model or prompt."""
    return hashlib.sha256("\0".join((url, model, PROMPT)).encode()).hexdigest()[:8]


def request_body(model: str, pixels: Pixels, *, log_probs: bool) -> bytes:
    """One question about one picture. `log_probs`: also ask how probable each token is; some servers refuse that."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(_jpeg(pixels)).decode()}"}}
    content = [{"type": "text", "text": PROMPT}, image]
    body: dict[str, Any] = {"model": model, "temperature": 0, "max_tokens": MOST_TOKENS}
    if log_probs:
        body["logprobs"] = True
    return json.dumps({**body, "messages": [{"role": "user", "content": content}]}).encode()


def _jpeg(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def sentence(reply: Reply, *, proven: bool, secret: str = "") -> Sentence | None:
    """The caption; None if the server declines to write one, or did not write it to its end.

    `proven`: the server has answered a request with these settings, so a refusal is about the picture. `secret`: the key, which
    no error repeats. Errors: ModelError if the server refuses this picture; ModelServerUnavailable for every other answer
    without a caption.
    """
    if reply.status in OF_THE_IMAGE or (proven and reply.status in OF_THE_REQUEST):
        raise ModelError(f"The model server refused the picture with {reply.status}: {_message(reply.body, secret)}")
    if reply.status != 200:
        raise ModelServerUnavailable(f"The model server answered {reply.status}: {_message(reply.body, secret)}")
    try:
        choice = json.loads(reply.body)["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
        if text is not None and not isinstance(text, str):
            raise TypeError("content")
        log_prob = _mean(choice.get("logprobs"))
    except UNREADABLE as err:
        raise ModelServerUnavailable("The answer of the model server is not a chat completion.") from err
    if reason != "stop" or refusal or text is None:  # "length": half a sentence
        return None
    said = caption_in(text)
    return None if said is None else Sentence(text=said, log_prob=log_prob)


def _mean(log_probs: Mapping[str, Any] | None) -> float | None:
    tokens = (log_probs or {}).get("content") or ()
    values = [float(token["logprob"]) for token in tokens]
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None


def _message(body: bytes, secret: str) -> str:
    """The server's own message, for an operator. Some servers quote the key that they refuse."""
    try:
        error = json.loads(body)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except UNREADABLE:
        text = "no message"
    return printable(text.replace(secret, "***") if secret else text)[:SHOWN]
