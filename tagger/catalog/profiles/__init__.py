"""Built-in profiles, and the JSON Schema of the file format."""
