"""In place of the HTTP client: answers `library.page` out of a store of the sample media library, as its route does."""

from __future__ import annotations

import json
from collections.abc import Callable

from tagger.demo import listing
from tagger.demo.media_store import MediaStore
from tagger.net.client import Reply, Request


class StoreSender:
    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self.before: Callable[[int], None] = lambda _number: None  # called before each answer, with its number from 1
        self.reply: Reply | None = None  # what it answers instead
        self.asked = 0

    def send(self, request: Request, _max_bytes: int) -> Reply:
        self.asked += 1
        self.before(self.asked)
        if self.reply is not None:
            return self.reply
        query = listing.Query.model_validate(json.loads(request.body or b"")["data"])
        body = json.dumps(listing.page(self.store, "http://cms.example", query)).encode()
        return Reply(status=200, headers={}, body=body)
