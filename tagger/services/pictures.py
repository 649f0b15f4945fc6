"""Small JPEGs of assets for the pages: fetched again by the rules of the site, decoded in a limited process, kept for a while.

A page never shows an image from its own address: a reader's browser would tell the CMS who looks, and could be sent anywhere.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tagger.blobs import Blobs
from tagger.errors import FetchFailed, FetchRefused, NotFound
from tagger.job import Job
from tagger.net.addresses import AddressPolicy, AllowedHost
from tagger.net.body import Raw, read_body
from tagger.net.client import HttpClient, Request, RequestFailed
from tagger.net.url import Hop
from tagger.site import Site

SIDE = 640  # pixels; the page shows no picture larger
SECONDS = 10.0  # for one fetch
IDLE_SECONDS = 120.0
AT_ONCE = 6  # pictures at a time: a slow CMS must not take all threads of the API
WAIT_SECONDS = 0.5  # for one of these places
KEPT_BYTES = 32 << 20
MAX_REDIRECTS = 5
NONE_KEPT = "tagger keeps uploaded bytes only until the image is described."


class Answer(Raw, Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Renders(Protocol):
    def jpeg(self, picture: Path, size: tuple[int, int]) -> bytes: ...
    def close(self) -> None: ...


class Pictures:
    """Safe for many threads. Close it at the end of the process."""

    def __init__(self, blobs: Blobs, renders: Callable[[], Renders], max_bytes: int, client: HttpClient | None = None) -> None:
        self._blobs, self._renders, self._max_bytes = blobs, renders, max_bytes
        self._client = client or HttpClient()
        self._open: Renders | None = None
        # one thread, which lives as long as this: the process of the decoder ends with the thread that started it
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._rest: threading.Timer | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def jpeg(self, site: Site, job: Job) -> bytes:
        """The picture that the job described.

        Errors: NotFound where its bytes are not kept; FetchError, ImageError; DecoderUnavailable.
        """
        with self._lock:
            if (made := self._kept.get(job.id)) is not None:
                self._kept.move_to_end(job.id)
                return made
        # held until the picture is made: neither the threads nor the memory of the API belong to pictures
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise FetchFailed("Too many pictures are made at this moment.")
        try:
            made = self._made(site, job)
        finally:
            self._places.release()
        self._keep(job.id, made)
        return made

    def close(self) -> None:
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
        self._renderer.shutdown()
        self._end()
        self._client.close()

    def _made(self, site: Site, job: Job) -> bytes:
        source = job.request.source
        if source.kind == "file":
            return self._rendered(_inside(source.location, source.root))
        data = self._fetched(site, source.location) if source.kind == "url" else self._uploaded(source.location)
        with tempfile.NamedTemporaryFile(prefix="tagger-picture-") as file:
            file.write(data)
            file.flush()
            return self._rendered(Path(file.name))

    def _uploaded(self, key: str) -> bytes:
        try:
            return self._blobs.get(key)
        except NotFound as err:
            raise NotFound(NONE_KEPT) from err

    def _fetched(self, site: Site, url: str) -> bytes:
        addresses = AddressPolicy(allowed_hosts=AllowedHost.known(site.allowed_hosts))
        request = Request(
            url=url, headers={"Accept": "image/*,*/*;q=0.1"}, authorization=site.fetch_auth, addresses=addresses,
            deadline=time.monotonic() + SECONDS, redirects=MAX_REDIRECTS,
        )  # fmt: skip
        try:
            return self._client.exchange(request, self._read)
        except RequestFailed as err:
            raise FetchFailed(str(err)) from None

    def _read(self, hop: Hop, response: Answer) -> bytes:
        if response.status != 200:
            raise FetchRefused(f"{hop.masked} answered {response.status}.")
        return read_body(response, response.headers, self._max_bytes)

    def _rendered(self, place: Path) -> bytes:
        return self._renderer.submit(self._render, place).result()

    def _render(self, place: Path) -> bytes:
        if self._open is None:
            self._open = self._renders()
        try:
            return self._open.jpeg(place, (SIDE, SIDE))
        finally:
            self._rest_later()

    def _rest_later(self) -> None:
        """The process ends when nobody has looked at pictures for a while: its memory is some 100 MB."""
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
            self._rest = threading.Timer(IDLE_SECONDS, self._rest_now)
            self._rest.daemon = True
            self._rest.start()

    def _rest_now(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._renderer.submit(self._end)

    def _end(self) -> None:
        made, self._open = self._open, None
        if made is not None:
            made.close()

    def _keep(self, job_id: str, made: bytes) -> None:
        with self._lock:
            self._kept[job_id] = made
            while sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)


def _inside(location: str, root: str) -> Path:
    """Errors: FetchRefused for a file outside of the folder that a person named."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        place = Path(location).resolve(strict=True)
        if root and place.is_relative_to(Path(root).resolve(strict=True)):
            return place
    raise FetchRefused("The file is not there any more.")
