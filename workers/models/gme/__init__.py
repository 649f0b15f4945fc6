"""GME: Qwen2-VL as an embedding model of images and texts, on transformers' own classes."""

from workers.models.gme.load import load
from workers.models.gme.model import Gme
from workers.models.gme.scorer import TermScorer

__all__ = ["Gme", "TermScorer", "load"]
