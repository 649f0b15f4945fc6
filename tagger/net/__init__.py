"""What the network needs to be used safely."""
