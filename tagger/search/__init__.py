"""Search over described images: the words of an asset, and the indexes of its vectors."""
