"""How good the words are on labelled images. Pure."""
