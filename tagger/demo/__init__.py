"""The demo: a small media library of its own (`media_library`), which knows tagger only by its public hook and callback."""
