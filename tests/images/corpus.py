"""Runs the nasty test images of Pillow and pillow_heif through the real decoder pool: `python tests/images/corpus.py [FOLDER]`.

Their source packages are downloaded by pip into FOLDER (kept between runs); nothing of them is unpacked to disk or kept here.
Passes when every file ends as pixels or as a typed error, within the decoder's time and memory, HEIC and AVIF among those with
pixels, and the pool still works. Prints how many ended how.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import psutil

from tagger.errors import ImageError
from workers.decode.pool import DecoderPool

PACKAGES = ("pillow", "pillow_heif")
SECONDS = 10.0
MEMORY = 1 << 30  # of one decoder process, as the product has it by default
THREADS = 4  # on two decoders: a picture waits for at most one other
NEW_FORMATS = (".heic", ".heif", ".hif", ".avif")


def packages(folder: Path) -> list[Path]:
    wanted = [f"{name}=={version(name)}" for name in PACKAGES]
    found = [folder / f"{spec.replace('==', '-')}.tar.gz" for spec in wanted]
    if not all(path.is_file() for path in found):
        only = [flag for name in PACKAGES for flag in ("--no-binary", name)]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *only, "-d", str(folder), *wanted], check=True
        )
    return found


def images(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            if member.isfile() and inside.lower().startswith("tests/images/"):
                file = tar.extractfile(member)
                assert file is not None
                yield inside, file.read()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/corpus"))
    parser.add_argument("--list", action="store_true", help="print the verdict of every file")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    untyped: list[str] = []
    slowest = (0.0, "")
    new_formats: Counter[str] = Counter()
    with DecoderPool(2, seconds=SECONDS, memory_bytes=MEMORY) as pool, ThreadPoolExecutor(THREADS) as threads:
        starting = pool.pids

        def judge(item: tuple[str, bytes]) -> tuple[str, str, float]:
            started = time.monotonic()
            try:
                pool.decode(item[1], deadline=started + 12 * SECONDS)
                verdict = "pixels"
            except ImageError as err:
                verdict = f"{err.code}: {err.detail}"
            except Exception as err:  # noqa: BLE001 — this is what the run looks for
                verdict = f"UNTYPED {type(err).__name__}: {err}"
            return item[0], verdict, time.monotonic() - started

        for archive in packages(options.folder):
            for name, verdict, seconds in threads.map(judge, list(images(archive))):
                verdicts[archive.name][verdict] += 1
                slowest = max(slowest, (seconds, name))
                if verdict == "pixels":
                    new_formats.update(suffix for suffix in NEW_FORMATS if name.lower().endswith(suffix))
                if verdict.startswith("UNTYPED"):
                    untyped.append(f"{name}: {verdict}")
                if options.list:
                    print(f"{name}\t{verdict}")
        memory = max(peak(pid) for pid in pool.pids)
        replaced = len(set(pool.pids) - set(starting))
    for archive_name, counts in verdicts.items():
        print(f"\n{archive_name}: {sum(counts.values())} files")
        for verdict, count in counts.most_common():
            print(f"{count:6}  {verdict}")
    accepted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(new_formats.items()))
    print(f"\naccepted of the newer formats: {accepted or 'none'}")
    print(f"slowest {slowest[0]:.2f} s ({slowest[1]}); a decoder held at most {memory >> 20} MiB; {replaced} of 2 were replaced")
    print(f"untyped: {len(untyped)}", *untyped, sep="\n")
    good = verdicts and not untyped and slowest[0] <= THREADS / 2 * SECONDS + 1 and memory <= MEMORY
    return 0 if good and {".heic", ".avif"} <= new_formats.keys() else 1


def peak(pid: int) -> int:
    """Bytes that a process held at most (Linux), or holds now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return int(psutil.Process(pid).memory_info().rss)
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main())
