"""docker-compose.yml brought up by a real engine; run by `make compose-test`."""
