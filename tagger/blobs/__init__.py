"""Uploaded bytes until their job ends."""
