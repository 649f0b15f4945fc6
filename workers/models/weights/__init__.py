"""Weights: which ones there are, whole or not, and how they come onto this machine."""

from workers.models.weights.catalog import KNOWN, Weights
from workers.models.weights.pull import Hub, Source, ensure, pull

__all__ = ["KNOWN", "Hub", "Source", "Weights", "ensure", "pull"]
