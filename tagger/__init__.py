"""tagger: captions, alt text and tags for the images of content-management systems, never over a person's words."""

__version__ = "0.2.0"
