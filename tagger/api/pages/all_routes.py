"""The routers of all pages, for the application."""

from __future__ import annotations

from tagger.api.pages import assets, backfills, dead_letters, deliveries, jobs, login, picture, sites, try_it

ROUTERS = tuple(module.router for module in (login, jobs, assets, deliveries, dead_letters, backfills, sites, try_it, picture))
