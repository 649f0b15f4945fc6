"""Which form of a network the workers of one home run on one kind of processor: found once, and kept in a small file.

If each worker measured for itself, two workers could choose different forms. Their models would have different names, and they
could not share cached predictions.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import onnxruntime as ort
import structlog

from tagger.system import whole_file
from workers.models.lite.files import revision

log = structlog.get_logger()

CPUINFO = Path("/proc/cpuinfo")
TELLING = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")  # of it; the rest changes, as clocks do


def place(folder: Path, forms: tuple[str, ...], cpuinfo: Path = CPUINFO) -> Path:
    """The file of the choice between these data files, for this processor and this version of the library that runs them."""
    parts = [ort.__version__, revision(*forms), _processor(cpuinfo)]
    return folder / f"form-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.txt"


def known(kept: Path, forms: tuple[str, ...]) -> str | None:
    """The form that was chosen; None if there is no file, or none that names a form."""
    try:
        name = kept.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return name if name in forms else None


def keep(kept: Path, form: str, forms: tuple[str, ...]) -> str:
    """Stores this choice, unless another worker stored one before. Returns the stored choice."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            whole_file.create(kept, form.encode())
        except FileExistsError:
            if (other := known(kept, forms)) is not None:
                return other
            whole_file.replace(kept, form.encode())
    except OSError as err:  # a folder of weights may be mounted read-only; then each worker chooses for itself
        log.warning("precision.not_kept", folder=str(kept.parent), reason=err.strerror)
    return form


def _processor(cpuinfo: Path) -> str:
    """The model of the first processor and what it can do."""
    try:
        first = cpuinfo.read_text("utf-8", "replace").partition("\n\n")[0]
    except OSError:  # not Linux
        first = ""
    told = [line for line in first.splitlines() if line.partition(":")[0].strip() in TELLING]
    return "\n".join(told) or f"{platform.machine()} {platform.processor()}"
