"""`python -m tagger` is the command `tagger`."""

from tagger.cli.main import main

main()
