"""What every worker process has: registration, heartbeat, shutdown, scheduling priority."""
