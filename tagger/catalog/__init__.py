"""Profiles and vocabularies of the sites, read from files and checked."""
