"""The routers of all pages, for the application."""

from __future__ import annotations

from tagger.api.pages import assets, backfills, dead_letters, deliveries, jobs, login, picture, sites

ROUTERS = tuple(module.router for module in (login, jobs, assets, deliveries, dead_letters, backfills, sites, picture))
