"""`words_written` is sent when tagger has written words and they are committed. Purge a page cache with it, for example."""

from django.dispatch import Signal

words_written = Signal()  # sender: the image model; key: the picture's
