"""tagger's OFA against ModelScope's, from the golden files of bench/ofa_reference.py; real sizes take minutes.

    PYTHONPATH=.:tests python bench/ofa_parity.py [caption_tiny caption_real entail_tiny entail_real] [--bf16]

Exit status 1 if, in float32, any beam's tokens differ where the reference's scores are more than 1e-4 apart, a score
by more than 1e-4, or an entailment probability by more than 1e-5.
"""

from __future__ import annotations

import argparse
import sys

import torch
from support.ofa_cases import SETS
from support.ofa_compare import check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--bf16", action="store_true", help="bfloat16, for the tolerances; never fails")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in options.sets:
        tally = check(name, torch.bfloat16 if options.bf16 else torch.float32)
        figures = {k: v for k, v in vars(tally).items() if k != "wrong"}
        print(f"{name}: {figures}, wrong: {len(tally.wrong)}", *tally.wrong[:3], sep="\n  ", flush=True)
        failed |= bool(tally.wrong) or tally.largest > (1e-4 if name.startswith("caption") else 1e-5)
    return int(failed and not options.bf16)


if __name__ == "__main__":
    sys.exit(main())
