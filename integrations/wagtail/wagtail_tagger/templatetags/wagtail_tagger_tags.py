"""`{% tagger_panel image as tagger %}`: what the panel of this picture shows."""

from __future__ import annotations

from typing import Any

from django import template

from wagtail_tagger import panel, pictures

register = template.Library()


@register.simple_tag
def tagger_panel(row: Any) -> dict[str, Any]:
    return panel.of(pictures.key_of(row.pk))
