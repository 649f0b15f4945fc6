"""From settings to running models: batching, budgets, fault isolation, the watchdog."""
