"""Cosines of one query with a million float16 vectors, in numpy.

numpy turns float16 into float32 one number at a time: 920 ms for a million vectors of 384 numbers. Moving the bits with integer
operations takes 190 ms on one core (`python -m bench.search`): a float16 is a float32 whose exponent is 112 too small.

The product is `vecdot`, a call for each row. `dot` of a block is one call, which BLAS splits among threads of its own: beside the
threads of this module they wait for each other, and a scan took four to twenty times as long.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from tagger.prediction import Vector
from tagger.system.cpus import allowed

Halves = npt.NDArray[np.float16]

ROWS = 1024  # converted at a time: 1.5 MB at 384 numbers, so that it stays in the cache
MOST_THREADS = 8
REBIAS = np.float32(2.0**112)
SIGN_AND_NUMBER = np.int32(~0x70000000)  # without the copies of the sign in the upper bits of the exponent


def cosines(matrix: Halves, query: Vector) -> Vector:
    """[n] float32; the numbers of `matrix` are finite."""
    out = np.empty(len(matrix), np.float32)
    scaled = np.ascontiguousarray(query, np.float32) * REBIAS
    blocks = range(0, len(matrix), ROWS)
    threads = min(allowed(), MOST_THREADS)
    if len(blocks) < 2 * threads:
        _part(matrix, scaled, out, blocks)
        return out
    shares = [blocks[n::threads] for n in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda share: _part(matrix, scaled, out, share), shares))
    return out


def _part(matrix: Halves, scaled: Vector, out: Vector, blocks: range) -> None:
    buffer = np.empty((ROWS, matrix.shape[1]), np.int32)
    for start in blocks:
        rows = matrix[start : start + ROWS]
        bits = buffer[: len(rows)]
        np.copyto(bits, rows.view(np.int16))
        np.left_shift(bits, 13, out=bits)
        np.bitwise_and(bits, SIGN_AND_NUMBER, out=bits)
        np.vecdot(bits.view(np.float32), scaled, out=out[start : start + len(rows)])
