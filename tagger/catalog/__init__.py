"""Profiles and vocabularies: what a site wants said, read from files and checked."""
