"""`tagger evaluate` with the forty terms that nobody wrote rules for (bench/lite_vocabularies.json), on the photographs.

python -m bench.unseen PHOTOS OUT     PHOTOS: a folder with labels.csv; OUT: where the vocabulary, labels and report go
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from bench.quality import labels
from tagger.catalog import vocabulary_file
from tagger.catalog.vocabulary import Category, Term, Vocabulary


def main() -> None:
    photos, out = Path(sys.argv[1]), Path(sys.argv[2])
    written = json.loads((Path(__file__).parent / "lite_vocabularies.json").read_text("utf-8"))["unseen"]
    ids = {term: term.replace(" ", "_") for term in written["terms"]}
    terms = tuple(Term(id=ids[text], labels={"en": text}) for text in written["terms"])
    out.mkdir(parents=True, exist_ok=True)
    known = Vocabulary(name="unseen", version=1, categories=(Category(id="all", terms=terms),))
    (out / "unseen.yaml").write_text(vocabulary_file.dump(known), "utf-8")
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "true_tags"])
        for name in sorted(labels(photos)):
            writer.writerow([name, " ".join(ids[term] for term in written["truth"].get(name, ()))])
    argv = [sys.executable, "-m", "tagger", "evaluate", "--images", str(photos), "--labels", str(out / "labels.csv")]
    argv += ["--vocabulary", str(out / "unseen.yaml"), "--tuned", "first-half", "--out", str(out), "--force"]
    sys.exit(subprocess.call(argv))


if __name__ == "__main__":
    main()
