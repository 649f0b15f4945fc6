"""The Helm chart, its alerts and its dashboards, with the real programs."""
