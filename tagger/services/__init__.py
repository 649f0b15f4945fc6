"""What the API and the command line both do, written once."""
