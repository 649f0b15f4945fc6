"""Writes tests/data/lite_rules.txt: of each class, what broader words say of it. Read it after a change of the rules.

python -m bench.rules_table
"""

from __future__ import annotations

from pathlib import Path

from workers.models.lite.files import table
from workers.models.lite.rules import inherited


def main() -> None:
    lines = inherited(table("imagenet_classes.json")["words"])
    Path("tests/data/lite_rules.txt").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} classes")


if __name__ == "__main__":
    main()
