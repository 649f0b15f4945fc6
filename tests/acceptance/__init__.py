"""The product as a user meets it: the command line as a subprocess, the API over a socket, with real processes."""
