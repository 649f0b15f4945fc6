"""Composed captions, in English and Chinese: only what the models and the pixels are sure of. Pure."""
