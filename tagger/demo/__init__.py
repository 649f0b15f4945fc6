"""The demo: a small media library (`media_library`) that uses only the public hook and callback of tagger."""
