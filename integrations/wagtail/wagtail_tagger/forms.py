"""The image form of the Wagtail admin: `WAGTAILIMAGES_IMAGE_FORM_BASE = "wagtail_tagger.forms.ImageForm"`.

A form sends every field, also those that nobody touched. If tagger wrote after the form was opened, saving it is no edit of these
fields, and must not put back the old words. So the form carries what the editor saw.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from wagtail.images.forms import BaseImageForm

from wagtail_tagger import tags
from wagtail_tagger.conf import config

SEEN = "tagger_seen"


class ImageForm(BaseImageForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            seen = json.dumps(self._present(), sort_keys=True)
            self.fields[SEEN] = forms.CharField(widget=forms.HiddenInput, required=False, initial=seen)

    def clean(self) -> Any:
        cleaned = super().clean()
        cleaned = self.cleaned_data if cleaned is None else cleaned
        seen = _read(cleaned.pop(SEEN, ""))
        for name, value in self._present().items() if seen else ():
            if name not in seen or name not in cleaned:
                continue
            if name == config().tags:
                was, posted = set(seen[name]), set(cleaned[name])
                cleaned[name] = sorted((set(value) - (was - posted)) | (posted - was))
            elif _plain(seen[name]) == _plain(cleaned[name]):
                cleaned[name] = value
        return cleaned

    def _present(self) -> dict[str, Any]:
        """What stands there now, of the fields of this form."""
        texts = {name: self.initial.get(name) or "" for name in config().texts.values() if name in self.fields}
        own = config().tags
        return {**texts, **({own: tags.labels(self.instance)} if own in self.fields else {})}


def _read(given: str) -> dict[str, Any]:
    try:
        seen = json.loads(given)
    except ValueError:
        return {}
    return seen if isinstance(seen, dict) else {}


def _plain(text: Any) -> str:
    """A browser sends line breaks in its own way, and Django takes off blanks at the ends."""
    return str(text or "").replace("\r\n", "\n").strip()
