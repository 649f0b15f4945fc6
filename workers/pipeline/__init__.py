"""One image's way: claim, fetch, decode, predict, judge, persist."""
