"""tagger for Wagtail and Django: pictures are described when they are uploaded; an editor's words stay."""

__version__ = "0.2.0"
