"""Functions that both the API and the command line use."""
