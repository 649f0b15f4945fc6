"""A folder of pictures, read as a library."""
