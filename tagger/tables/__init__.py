"""Tables and file names as people's programs write them."""
