"""The test suite itself, as a program."""
