"""The embedded default: classes, objects, look, template captions, text-space vectors and tags of any vocabulary, on a CPU.

`load` gives the image model, `TextEncoder` the text vectors, `TermScorer` the tags. Sources and licences: README.md.
"""

from workers.models.lite.model import LiteInput, LiteModel, LiteRaw, load
from workers.models.lite.terms import TermScorer
from workers.models.lite.text import TextEncoder

__all__ = ["LiteInput", "LiteModel", "LiteRaw", "TermScorer", "TextEncoder", "load"]
