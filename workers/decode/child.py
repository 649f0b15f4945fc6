"""The decoder process: reads requests from a socket, decodes in shared memory, answers. Started by `decode.DecoderPool` only.

Shared area: the first `max_bytes` hold the encoded image, the rest the pixels. A request is the length of the image (8 bytes);
an answer is the length of a JSON object (4 bytes), the object, then the metadata blocks whose lengths it gives.

The process must end with its parent, not earlier and not later. It ignores signals to the group. When the parent dies, a pipe
closes, and the kernel sends SIGKILL for it. This ends the process even inside a C library, and even if it is stopped.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import asdict

from tagger.system.parent_death import die_with_pipe
from workers.decode.protocol import ANSWER, BLOCKS, READY, REQUEST, Limits
from workers.runtime import priority

STARTS = frozenset(
    {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"}
)


def main(argv: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    socket_fd, area_fd, life_fd = (int(text) for text in argv[:3])
    limits = Limits(**json.loads(argv[3]))
    die_with_pipe(life_fd)
    priority.lower_session_priority()
    from workers.decode import pixels  # not at the top: the parent imports this file, and needs no Pillow

    pixels.configure(limits.max_pixels)
    _limit(limits)
    sys.addaudithook(start_nothing)
    area = mmap.mmap(area_fd, limits.area_bytes)
    with socket.socket(fileno=socket_fd) as channel:
        channel.sendall(READY)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print text from the file there
        while request := _receive(channel, REQUEST.size):
            (length,) = REQUEST.unpack(request)
            _allow_cpu(limits.seconds)
            channel.sendall(_serve(area, length, limits))


def _serve(area: mmap.mmap, length: int, limits: Limits) -> bytes:
    from tagger.errors import DecodeError
    from workers.decode import pixels

    try:
        picture = pixels.decode(area[:length], max_pixels=limits.max_pixels, long_side=limits.long_side)
    except DecodeError as err:
        return _packed({"error": err.code, "detail": err.detail})
    area[limits.max_bytes : limits.max_bytes + len(picture.rgb)] = picture.rgb
    body = asdict(picture)
    del body["rgb"]
    blocks = [body.pop(name) for name in BLOCKS]
    return _packed({**body, "blocks": [len(block) for block in blocks]}) + b"".join(blocks)


def _packed(body: dict[str, object]) -> bytes:
    text = json.dumps(body).encode()
    return ANSWER.pack(len(text)) + text


def _receive(channel: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes, or none if the parent ended."""
    data = channel.recv(count, socket.MSG_WAITALL)
    return data if len(data) == count else b""


def start_nothing(event: str, _args: object) -> None:
    """An audit hook. It stops a library that tries to start another program for a file."""
    if event in STARTS:
        raise PermissionError(f"A decoder starts no program ({event}).")


def _limit(limits: Limits) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # no library needs to write a file
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _allow_cpu(seconds: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
