"""The bytes of an image, from a URL, a blob or a file, within limits."""
