"""Every profile and vocabulary that an installation has: the built-in ones, and those of its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.catalog import vocabulary_file, yaml_document
from tagger.catalog.profile import Profile, Profiles
from tagger.catalog.vocabulary import Vocabulary
from tagger.errors import ProfileInvalid, VocabularyInvalid

FOLDERS = ("vocabularies", "profiles")  # in the home


@dataclass(frozen=True, kw_only=True)
class Catalog:
    profiles: Profiles
    vocabularies: Mapping[str, Vocabulary]

    def profile(self, name: str) -> tuple[Profile, tuple[str, ...]]:
        """The profile. If the name is unknown: `general` and a warning."""
        return self.profiles.get(name)

    def require(self, name: str) -> Profile:
        """The profile of that name, for a caller that can correct the name. Errors: UnknownProfile."""
        return self.profiles.require(name)

    def vocabulary(self, profile: Profile, site_vocabulary: str | None = None) -> Vocabulary:
        """The vocabulary of the site if it names one, else that of the profile. Errors: ProfileInvalid if it does not exist."""
        name = site_vocabulary or profile.vocabulary
        if name not in self.vocabularies:
            names = ", ".join(sorted(self.vocabularies))
            raise ProfileInvalid(
                f"There is no vocabulary `{name}`.", remedy=f"Use one of: {names}. Or add {name}.yaml to the folder."
            )
        return self.vocabularies[name]


def load_catalog(folder: Path | None = None) -> Catalog:
    """The built-in files, then those (.yaml, .yml) in its folders vocabularies and profiles, which win.

    Hidden files are passed over.

    Errors: VocabularyInvalid, ProfileInvalid; each names file, line, column, reason and remedy.
    """
    vocabularies = {name: vocabulary_file.built_in(name) for name in vocabulary_file.BUILT_IN}
    if folder is not None:
        vocabularies |= _own(yaml_document.files_in(folder / "vocabularies"))
    catalog = Catalog(profiles=Profiles.load(folder), vocabularies=vocabularies)
    for profile in catalog.profiles:
        _fit(profile, catalog.vocabulary(profile))
    return catalog


def _own(files: Sequence[Path]) -> dict[str, Vocabulary]:
    own: dict[str, Vocabulary] = {}
    file_of: dict[str, str] = {}
    for path in files:
        found = vocabulary_file.load(path)
        if (other := file_of.setdefault(found.name, path.name)) != path.name:
            raise VocabularyInvalid(
                f"{other} and {path.name} both hold the vocabulary `{found.name}`.", remedy="Remove one of them, or rename it."
            )
        own[found.name] = found
    return own


def passed_over(home: Path) -> list[Path]:
    """Files that look like vocabularies or profiles and are not read, because of their endings or their folder."""
    found = [path for name in FOLDERS for path in yaml_document.passed_over(home / name)]
    return found + [path for name in FOLDERS for path in yaml_document.files_in(home / "catalog" / name)]


def _fit(profile: Profile, vocabulary: Vocabulary) -> None:
    ids = {category.id for category in vocabulary.categories}
    for key in ("thresholds", "limits"):
        foreign = sorted(set(getattr(profile, key)) - ids)
        if foreign:
            raise ProfileInvalid(
                f"The profile `{profile.name}` sets `{key}` for `{foreign[0]}`, which is not a category of `{vocabulary.name}`.",
                remedy=f"Use one of: {', '.join(sorted(ids))}.",
            )
