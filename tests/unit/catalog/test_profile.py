"""Profiles: the built-in seven, own ones from a folder, and what is said about bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagger.catalog.load import load_catalog
from tagger.catalog.profile import BUILT_IN, Profiles, built_in, load, parse
from tagger.errors import ProfileInvalid, UnknownProfile, VocabularyInvalid

OWN = """\
profile: zoo
version: 2
vocabulary: animals
instruction: "Find the animal in this picture."
locales: [en, zh-Hans]
thresholds: {subject: 0.7}
limits: {subject: 2}
deny: [spider]
check: {no: review}
text: {final_stop: true, max_alt: 100}
"""
ANIMALS = "vocabulary: animals\nversion: 1\ncategories:\n  subject:\n    terms:\n      emu: {labels: {en: emu}}\n"


def test_an_own_profile_means_what_it_says() -> None:
    profile = parse(OWN)
    assert (profile.name, profile.vocabulary, profile.locales, profile.deny) == ("zoo", "animals", ("en", "zh-Hans"), ("spider",))
    assert (profile.thresholds, profile.limits) == ({"subject": 0.7}, {"subject": 2})
    assert profile.check == {"yes": "publish", "maybe": "review", "no": "review"}
    assert (profile.text.final_stop, profile.text.max_alt, profile.text.max_title) == (True, 100, 60)
    assert profile.least_score.for_model("lite-composed@1") == 0.8


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("check: {no: review}", "check: {no: ask}", 9, "ask"),
        ("check: {no: review}", "check: {nein: review}", 9, "nein"),
        ("max_alt: 100", "max_alt: 5", 10, "5"),
        ("limits:", "limit:", 7, "limit"),
        ("version: 2\n", "", 1, "version"),
        ("{subject: 0.7}", "{subject: high}", 6, "high"),
    ],
)
def test_a_complaint_names_the_line(old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        parse(OWN.replace(old, new, 1), source="zoo.yaml")
    assert f"zoo.yaml, line {line}," in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.info().remedy


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_profiles_fit_their_vocabularies(name: str) -> None:
    known = load_catalog()
    profile = built_in(name)
    assert profile.name == name
    assert known.vocabulary(profile).name == profile.vocabulary
    assert set(profile.check) == {"yes", "maybe", "no"}


def test_an_unknown_name_becomes_general_with_a_warning_or_an_error() -> None:
    profile, warnings = Profiles.built_in().get("newz")
    assert profile.name == "general"
    assert "newz" in warnings[0]
    assert Profiles.built_in().get("news")[1] == ()
    with pytest.raises(UnknownProfile, match="newz"):
        Profiles.built_in().require("newz")


def test_own_files_join_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "vocabularies").mkdir()
    (tmp_path / "profiles" / "zoo.yaml").write_text(OWN, "utf-8")
    (tmp_path / "vocabularies" / "animals.yaml").write_text(ANIMALS, "utf-8")
    known = load_catalog(tmp_path)
    profile, warnings = known.profile("zoo")
    assert (profile.version, warnings) == (2, ())
    assert known.vocabulary(profile).find("emu") is not None
    assert known.vocabulary(profile, "news").name == "news"
    assert {p.name for p in known.profiles} == {*BUILT_IN, "zoo"}


@pytest.mark.parametrize("folder", ["profiles", "vocabularies"])
def test_what_a_mac_leaves_beside_a_file_is_passed_over(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "._zoo.yaml").write_bytes(b"\0\5\x16\7Mac OS X")
    assert {p.name for p in load_catalog(tmp_path).profiles} == set(BUILT_IN)


def test_a_profile_must_fit_a_vocabulary_that_exists(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "zoo.yaml").write_text(OWN, "utf-8")
    with pytest.raises(ProfileInvalid, match="no vocabulary `animals`"):
        load_catalog(tmp_path)
    (tmp_path / "vocabularies").mkdir()
    (tmp_path / "vocabularies" / "animals.yaml").write_text(ANIMALS.replace("subject", "place"), "utf-8")
    with pytest.raises(ProfileInvalid, match="`subject`, which is not a category of `animals`"):
        load_catalog(tmp_path)
    (tmp_path / "vocabularies" / "animals.yaml").write_text("[", "utf-8")
    with pytest.raises(VocabularyInvalid):
        load_catalog(tmp_path)


def test_missing_things_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid):
        load(tmp_path / "none.yaml")
    with pytest.raises(ProfileInvalid):
        built_in("none")
