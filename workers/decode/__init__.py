"""Pixels from bytes, in child processes that can be killed."""
