"""Writes workers/models/lite/data/golden.npz: what healthy lite models read of the canary, with the detector in each form.

python -m bench.golden_lite
"""

from __future__ import annotations

import numpy as np

from workers.models.lite import faces, ocr
from workers.models.lite.files import DATA, open_session
from workers.models.lite.lexicon import lexicon
from workers.models.lite.model import CLASSIFIER, DETECTOR, GOLDEN, LiteModel, Sessions
from workers.models.lite.precision import Network, int8


def main() -> None:
    readings = {}
    for file in (DETECTOR, int8(DETECTOR)):
        detector = Network(file=file, session=open_session(file))
        sessions = Sessions(classifier=open_session(CLASSIFIER), detector=detector, faces=faces.load(), reader=ocr.load())
        model = LiteModel(sessions, lexicon())
        (raw,) = model.run([model.canary()])
        readings[file] = model.reading(raw)
    np.savez_compressed(DATA / GOLDEN, **readings)


if __name__ == "__main__":
    main()
