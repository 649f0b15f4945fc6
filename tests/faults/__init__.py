"""The promises of docs/reliability.md, tested on real processes: broker, ledger, API, workers and a faulty receiver.

`make test` runs every fault briefly, `make faults` (FAULTS_LONG=1) at full length. FAULTS_SEED chooses the moments of the
faults; FAULTS_OUT names a file that takes the figures as JSON lines.
"""
