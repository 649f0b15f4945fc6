"""Deleting on request and by age."""
