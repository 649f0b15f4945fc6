"""PROMISES.md, shown against real processes: a broker, a ledger, the API, workers, and a receiver that misbehaves on command.

`make test` runs every fault briefly, `make faults` (FAULTS_LONG=1) at full length. FAULTS_SEED chooses the moments of the
faults; FAULTS_OUT names a file that takes the figures as JSON lines.
"""
