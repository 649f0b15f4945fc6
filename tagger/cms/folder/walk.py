"""The one walk over a folder of pictures: for backfills, `describe`, the demo and `evaluate`.

The order is fixed (by path, depth first) and depends on nothing but the folder, so that a walk can go on behind a path.
What the walk leaves out, although somebody may count on it, is told to `left_out`; companions that other programs make
(thumbnails, AppleDouble files, recycle bins) are left out without a word.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tagger.cms.folder.misnamed import is_misnamed
from tagger.errors import BadRequest

# What the decoders open (`workers.decode.pixels.FORMATS`), by the endings that such files carry.
SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp", ".gif",
        ".tif", ".tiff", ".bmp", ".heic", ".heif", ".hif", ".heics", ".heifs", ".avif", ".avifs",
    }
)  # fmt: skip
# Pictures that no decoder of ours opens: they are named, so that nobody waits for their words.
OTHER_PICTURES = frozenset(
    {
        ".jp2", ".jpx", ".j2k", ".jxl", ".svg", ".psd", ".psb", ".ai", ".eps", ".ico", ".tga", ".dng", ".cr2", ".cr3",
        ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".x3f",
    }
)  # fmt: skip

# Folders that a program made for itself, in lower case: Synology, QNAP, macOS' zip, Windows, ext4, Apple shares, Lightroom.
COMPANIONS = frozenset(
    {
        "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "#recycle", "#snapshot", "__macosx", "$recycle.bin",
        "recycler", "system volume information", "found.000", "lost+found", "network trash folder", "temporary items",
    }
)  # fmt: skip
LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary", ".migratedphotolibrary")  # of Apple: originals beside renditions
ORIGINALS = frozenset({"originals", "masters"})
MOST_LINKS = 8  # folders that are linked one inside the other

LeftOut = Callable[[str, str], None]  # (why, name)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image file of a folder."""

    relative: str  # POSIX path inside the folder: the asset's id
    revision: str  # changes with the file: modification time and size
    location: str  # where it is read
    root: str  # the real folder that the reader may not leave


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a walk stands: `path` is called `prefix` inside the folder and lies in the last of `roots`."""

    path: str
    prefix: str = ""
    roots: tuple[str, ...]  # the folder's real path, then those of the linked folders that led here

    def holds(self, real: str) -> bool:
        """Whether a folder is walked anyway, at its own place in the folder or in a folder whose link led here."""
        return any(
            inside is not None and not any(map(_is_companion, inside)) for inside in (_inside(root, real) for root in self.roots)
        )

    def circle(self, real: str) -> bool:
        """Whether a folder lies around this place, so that to walk it would lead back here."""
        return any(_inside(real, place) is not None for place in (*self.roots, os.path.realpath(self.path)))


def _ignore(_why: str, _name: str) -> None:
    """For a walk that was surveyed before."""


def walk(folder: Path, after: str | None = None, left_out: LeftOut = _ignore) -> Iterator[Picture]:
    """Image files of `folder` in the order of their parts, beginning behind `after`.

    A link to a folder outside is followed; a link to a folder that is walked anyway is not, so that no picture comes twice.
    Errors: OSError where the folder itself cannot be read, and for any fault of a subfolder that may pass.
    """
    root = os.path.realpath(folder)
    yield from _walk(_Place(path=root, roots=(root,)), None if after is None else after.split("/"), left_out)


def linked_folders(folder: Path) -> Iterator[str]:
    """The real paths of the folders outside that a walk of `folder` enters by links."""
    root = os.path.realpath(folder)
    places = [_Place(path=root, roots=(root,))]
    while places:
        place = places.pop()
        for entry in _entries(place, _ignore):
            if (below := _below(place, entry, place.prefix + entry.name, _ignore)) is not None:
                places.append(below)
                if below.roots != place.roots:
                    yield below.path


def _walk(place: _Place, after: list[str] | None, left_out: LeftOut) -> Iterator[Picture]:
    first = after[0] if after else None
    for entry in _entries(place, left_out):
        if first is not None and entry.name < first:
            continue
        relative = place.prefix + entry.name
        below = _below(place, entry, relative, left_out)
        if below is not None:
            deeper = after[1:] if after and entry.name == first and len(after) > 1 else None
            yield from _walk(below, deeper, left_out)
        elif entry.name != first and (picture := _picture(place, entry, relative, left_out)) is not None:
            yield picture


def _entries(place: _Place, left_out: LeftOut) -> list[os.DirEntry[str]]:
    """In one fixed order. Names that are not valid Unicode are left out: no CMS and no database could hold them as an id."""
    try:
        with os.scandir(place.path) as scan:
            entries = [entry for entry in scan if not _is_companion(entry.name)]
    except PermissionError:  # any other fault may pass: the next walk begins here again, and nothing was left out
        if not place.prefix:
            raise
        left_out("a folder that is not readable", place.prefix.rstrip("/"))
        return []
    library = os.path.basename(place.path.rstrip("/")).lower().endswith(LIBRARIES)
    good = []
    for entry in entries:
        if not is_text(entry.name):
            if _is_picture_name(entry.name) or _is_folder(entry):
                left_out("a name that is not Unicode", place.prefix + shown(entry.name))
        elif not library or entry.name.lower() in ORIGINALS:
            good.append(entry)
    return sorted(good, key=lambda e: e.name)


def _below(place: _Place, entry: os.DirEntry[str], relative: str, left_out: LeftOut) -> _Place | None:
    """The subfolder or linked folder to walk; None for what is none, and for a link that is not followed."""
    if entry.is_dir(follow_symlinks=False):
        return replace(place, path=entry.path, prefix=relative + "/")
    if not entry.is_symlink() or not _is_folder(entry):
        return None
    real = os.path.realpath(entry.path)
    if place.holds(real):
        return None
    if place.circle(real):
        left_out("a link to a folder that contains it", relative)
        return None
    if not is_text(real) or not may_follow(entry.path, real):
        left_out("a link that another user owns", relative)
        return None
    if len(place.roots) > MOST_LINKS:
        left_out("too many links inside linked folders", relative)
        return None
    return _Place(path=real, prefix=relative + "/", roots=(*place.roots, real))


def may_follow(link: str, real: str) -> bool:
    """Whether a link may lead out of the folder: it is ours, root's, or of the owner of what it leads to.

    Otherwise somebody who may only write into a shared folder could have us read what is not theirs.
    """
    owner = os.lstat(link).st_uid
    return owner in (os.geteuid(), 0) or owner == os.stat(real).st_uid


def _picture(place: _Place, entry: os.DirEntry[str], relative: str, left_out: LeftOut) -> Picture | None:
    """None for what is no image file, or went away while we looked."""
    try:
        linked = entry.is_symlink()
        if linked and not os.path.exists(entry.path):
            if _is_picture_name(entry.name) or "." not in entry.name:
                left_out("a broken link", relative)
            return None
        if not _is_picture_name(entry.name):
            if os.path.splitext(entry.name)[1].lower() in OTHER_PICTURES:
                left_out("an image in an unsupported format", relative)
            elif left_out is not _ignore and is_misnamed(entry):
                left_out("an image whose name does not end like one, such as in .jpg", relative)
            return None
        state = entry.stat()
        if not stat.S_ISREG(state.st_mode):
            return None
        root, location = place.roots[-1], entry.path
        real = os.path.realpath(entry.path) if linked else ""
        if linked and _inside(root, real) is None:
            if not is_text(real) or not may_follow(entry.path, real):
                left_out("a link that another user owns", relative)
                return None
            root, location = os.path.dirname(real), real
    except OSError:
        return None
    return Picture(relative=relative, revision=f"{state.st_mtime_ns:x}-{state.st_size:x}", root=root, location=location)


def _is_companion(name: str) -> bool:
    """Hidden (`._cup.jpg`, `.thumbnails`), or a folder that a program made for itself."""
    return name.startswith(".") or name.lower() in COMPANIONS or name.lower().endswith(".lrdata")


def _is_picture_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _inside(root: str, real: str) -> tuple[str, ...] | None:
    """The parts of `real` below `root`; None where it is not there."""
    if real == root:
        return ()
    below = root.rstrip("/") + "/"
    return tuple(real[len(below) :].split("/")) if real.startswith(below) else None


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """A name that is not Unicode, with its wrong bytes as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def readable(folder: Path) -> Path:
    """The real path of a folder. Errors: BadRequest if it is none, or cannot be read."""
    try:
        root = folder.expanduser().resolve()
    except RuntimeError:  # `~` with the name of nobody
        root = folder.resolve()
    if not os.path.isdir(root) or not os.access(root, os.R_OK | os.X_OK) or not is_text(str(root)):
        raise BadRequest(f"{shown(str(folder))} is not a folder that can be read.", "Name an existing folder of images.")
    return root
