"""Accepting requests: new jobs, repeated requests, edits of people, stored answers."""
