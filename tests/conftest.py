"""For every test: processes that are started here may be interrupted."""

import signal

# Whoever runs the tests in the background of a script hands down an ignored Ctrl-C, and so would we to all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
