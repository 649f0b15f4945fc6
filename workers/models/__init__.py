"""The models. Model code does no I/O; the `load` of each package reads its files and passes the arrays."""
