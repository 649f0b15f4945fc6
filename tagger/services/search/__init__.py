"""Search: the question, its words and vectors, the indexes of vectors, and the order of what was found."""
