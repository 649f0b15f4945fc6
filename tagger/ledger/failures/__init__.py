"""Counting failures, and dead letters."""
