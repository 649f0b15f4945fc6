"""What may be published of a prediction, and why not. Pure."""
