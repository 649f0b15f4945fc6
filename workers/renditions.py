"""Small JPEGs of images, for pages and the demo: `python -m workers.renditions`.

Only a decoder with its limits opens an image. A request is a line of JSON on standard input: {"path", "size": [width, height],
"quality"}. The answer is a line of JSON, {"bytes": n} or {"error": ErrorInfo}, then the n bytes of the JPEG.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import BinaryIO

from PIL import Image

from tagger.errors import TaggerError
from tagger.settings import Settings, load
from workers.decode.pool import DecoderPool
from workers.fetch.files import read_file

LONG_SIDE = 1024


def serve(settings: Settings, requests: BinaryIO, answers: BinaryIO) -> None:
    with DecoderPool.of(settings.model_copy(update={"decode_processes": 1}), long_side=LONG_SIDE) as decoder:
        for line in requests:
            try:
                made = rendition(decoder, settings, **json.loads(line))
            except TaggerError as err:
                answers.write(json.dumps({"error": err.info().to_dict()}).encode() + b"\n")
            else:
                answers.write(json.dumps({"bytes": len(made)}).encode() + b"\n" + made)
            answers.flush()


def rendition(decoder: DecoderPool, settings: Settings, *, path: str, size: list[int], quality: int) -> bytes:
    """Errors: ImageError; DecoderUnavailable."""
    place = os.path.realpath(path)  # the path may be a link
    data = read_file(place, os.path.dirname(place), settings.max_body_bytes)
    decoded = decoder.decode(data, deadline=time.monotonic() + settings.job_seconds)
    small = Image.fromarray(decoded.pixels)
    small.thumbnail((size[0], size[1]))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=quality)
    return out.getvalue()


def main() -> int:
    serve(load(), sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
