"""The models. Model files do no I/O; each package's `load` reads its files and hands the arrays over."""
