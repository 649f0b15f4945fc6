"""The pace of a backfill: images per second, slower when the CMS asks for it (429, Retry-After), quicker again later. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

SAVED_MS = 10_000  # a pause allows no larger burst than this much time
LEAST = 0.1  # images per second
UNKNOWN = 10.0  # the rate that is halved if nobody set or measured one
FREE = 1_000.0  # beyond it an unset rate is no limit any more
QUICKER_AFTER_MS, QUICKER = 10_000, 1.25
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5_000, 300_000  # while the library does not answer


@dataclass(frozen=True, kw_only=True)
class Pace:
    most: float | None = None  # images per second, as it was asked for; None: no limit
    rate: float | None = None  # at present; None: no limit
    not_before_ms: int = 0  # nothing is fed before
    fed_ms: int = 0  # the time up to which the rate is used up
    changed_ms: int = 0  # when the rate last changed
    heeded_ms: int = 0  # the last wish of the endpoint that made it slower
    failures: int = 0  # of the library, in a row
    trouble: str = ""  # of the last of them


def of_rate(most: float | None, now_ms: int) -> Pace:
    return Pace(most=most, rate=most, fed_ms=now_ms, changed_ms=now_ms)


def allowed(pace: Pace, now_ms: int) -> int | None:
    """How many images may be fed now; None: as many as there is room for."""
    if now_ms < pace.not_before_ms:
        return 0
    return None if pace.rate is None else int((now_ms - _since(pace, pace.rate, now_ms)) / 1000 * pace.rate)


def used(pace: Pace, images: int, now_ms: int) -> Pace:
    """After this number of images was fed."""
    if pace.rate is None:
        return pace
    return replace(pace, fed_ms=round(_since(pace, pace.rate, now_ms) + images / pace.rate * 1000))


def _since(pace: Pace, rate: float, now_ms: int) -> int:
    return max(pace.fed_ms, now_ms - max(SAVED_MS, round(1000 / rate)))


def slower(pace: Pace, now_ms: int, until_ms: int, measured: float | None = None) -> Pace:
    """The CMS asked to be left alone until `until_ms`: half the rate, from then on. `measured`: the rate so far."""
    rate = max(LEAST, (pace.rate or measured or UNKNOWN) / 2)
    return replace(pace, rate=rate, not_before_ms=until_ms, fed_ms=until_ms, changed_ms=max(now_ms, until_ms))


def quicker(pace: Pace, now_ms: int) -> Pace:
    """A quarter quicker after ten seconds without a complaint, up to what was asked for."""
    if pace.rate is None or pace.rate == pace.most or now_ms - pace.changed_ms < QUICKER_AFTER_MS:
        return pace
    rate = pace.rate * QUICKER
    limit = None if pace.most is None and rate > FREE else min(rate, pace.most or rate)
    return replace(pace, rate=limit, changed_ms=now_ms)


def away(pace: Pace, now_ms: int, trouble: str) -> Pace:
    """The library did not answer. The next question waits, longer each time."""
    pause = min(FIRST_PAUSE_MS * 2 ** min(pace.failures, 10), LONGEST_PAUSE_MS)
    return replace(pace, not_before_ms=now_ms + pause, failures=pace.failures + 1, trouble=trouble)


def answered(pace: Pace) -> Pace:
    return replace(pace, failures=0, trouble="") if pace.failures or pace.trouble else pace
