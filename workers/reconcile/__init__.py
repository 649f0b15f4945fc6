"""The reconciler: frees the jobs of dead workers, tops up hints, runs chores."""
