"""The work of tag workers: hints, claims, leases, and workers that died."""
