"""Built-in vocabularies, and the JSON Schema of the file format."""
