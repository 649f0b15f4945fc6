"""MiniLM sentence vectors (384 dimensions): of vocabulary terms, of search queries, of the classifier's words.

Vectors of the WordNet words come precomputed in the package: encoding them at start-up took 25 s.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import structlog
from tokenizers import Tokenizer

from workers.models.lite.files import DATA, options, revision

log = structlog.get_logger()

Floats = npt.NDArray[np.float32]

DIMENSIONS = 384
MAX_TOKENS = 128
CHUNK = 32  # texts a run; sorted by length, so padding is small
REMEMBERED = 20_000  # texts kept in memory, about 30 MB


class TextEncoder:
    """Text → L2-normalised vectors. Thread-safe; remembers what it encoded."""

    name = "lite-minilm"

    def __init__(self, *, cache_dir: Path | None = None) -> None:
        """cache_dir: folder for vectors of whole vocabularies, kept over restarts; None: memory only."""
        self.revision = revision("minilm_l6_v2_int8.onnx")
        self.cache_dir = cache_dir
        self._model: _MiniLm | None = None  # opened for the first text, because a worker seldom meets a new one
        self._opening = threading.Lock()
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def vectors(self, texts: Sequence[str]) -> Floats:
        """[n, 384] float32, each row of length 1, in the order of `texts`. An empty sequence gives [0, 384]."""
        with self._lock:
            missing = sorted({t for t in texts if t not in self._known}, key=lambda t: (len(t), t))
            cached = {t: self._known[t] for t in texts if t in self._known}
        model = self._opened() if missing else None
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            assert model is not None
            cached.update(zip(chunk, model.encode(chunk), strict=True))
        with self._lock:
            for text in missing:
                self._known[text] = cached[text]
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return np.stack([cached[t] for t in texts]) if texts else np.zeros((0, DIMENSIONS), np.float32)

    def stored(self, texts: Sequence[str]) -> Floats:
        """As `vectors`, but kept on disk too, under the model's revision and the hash of the texts. Whole vocabularies are new
        seldom, so the model is closed afterwards: it takes 45 MB.
        """
        path = self.place(texts)
        if path is None:
            return self.vectors(texts)
        array = _read(path, len(texts))
        if array is not None:
            return array
        made = self.vectors(texts)
        self._model = None
        try:
            _write(path, made)
        except OSError as err:  # a folder of weights may be mounted read-only; the next start computes them again
            log.warning("vectors.not_kept", folder=str(self.cache_dir), reason=err.strerror)
        return made

    def place(self, texts: Sequence[str]) -> Path | None:
        """The file of these texts' vectors; None without a folder."""
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
        return self.cache_dir / f"{self.name}-{self.revision}-{digest}.npy" if self.cache_dir is not None else None

    def _opened(self) -> _MiniLm:
        with self._opening:
            if self._model is None:
                self._model = _MiniLm()
            return self._model


class _MiniLm:
    """The tokenizer and the session."""

    def __init__(self) -> None:
        self._session = ort.InferenceSession(str(DATA / "minilm_l6_v2_int8.onnx"), options(), providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(DATA / "minilm_tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def encode(self, texts: Sequence[str]) -> Floats:
        encoded = self._tokenizer.encode_batch([t or " " for t in texts])
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        rows: Floats = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        out: Floats = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
        return out


def _read(path: Path, rows: int) -> Floats | None:
    """A cached array, or None when it is not there or not what we wrote (then it is made anew)."""
    try:
        array = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError, OSError):
        return None
    if array.shape != (rows, DIMENSIONS) or array.dtype != np.float32:
        return None
    return np.asarray(array, np.float32)


def _write(path: Path, rows: Floats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with part.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    part.replace(path)  # atomic: a reader sees the whole file or none
