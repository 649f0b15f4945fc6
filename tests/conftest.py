"""For every test: processes that are started here may be interrupted."""

import signal

from hypothesis import settings

# Whoever runs the tests in the background of a script hands down an ignored Ctrl-C, and so would we to all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example's wall-clock time says more of the machine than of the code. Tests of speed measure processor time.
settings.register_profile("tagger", deadline=None)
settings.load_profile("tagger")
