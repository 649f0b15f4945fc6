"""Backfills: describe a library that exists already. plan and rehearse, then feed."""
