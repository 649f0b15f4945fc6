"""The files of the plugin: every PHP that it names reads them, the zip is always the same, and the translation is whole."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from peers.wordpress_site import CACHE

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "integrations" / "wordpress" / "tagger"
PHPS = {  # the oldest and the newest that the plugin names, from Debian
    "7.4": ("bullseye", "libargon2-1 libxml2 libssl1.1 libpcre2-8-0 libicu67 libsodium23"),
    "8.4": (
        "trixie",
        "libc6 libargon2-1 libxml2 libssl3t64 libpcre2-8-0 zlib1g libsodium23 libedit2 liblzma5 libstdc++6 libgcc-s1 libicu76 "
        "libtinfo6 libbsd0 libmd0 libcap2 libsystemd0 libzstd1",
    ),
}
TRANSLATED = re.compile(r"(?:\b__|\besc_html__|\besc_html_e|\b_n)\(\s*'((?:[^'\\]|\\.)*)'")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "integrations" / "wordpress" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files() -> list[Path]:
    return sorted(PLUGIN.rglob("*.php"))


@pytest.mark.parametrize("version", ["7.4", "here", "8.4"])
def test_php_reads_every_file(version: str) -> None:
    command = ["php", "-n"]
    if version != "here":
        suite, packages = PHPS[version]
        script = [ROOT / "tests/peers/wordpress/php.sh", suite, version, CACHE / f"php{version}", *packages.split()]
        command = subprocess.run(script, capture_output=True, text=True, timeout=300, check=True).stdout.split()
    elif shutil.which("php") is None:
        pytest.skip("no php on this machine")
    told = subprocess.run([*command, "-v"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert version in ("here", told.split()[1].rpartition(".")[0])
    for file in files():
        ended = subprocess.run([*command, "-l", file], capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, "Deprecated" in ended.stdout) == (0, False), ended.stdout


def test_the_zip_is_always_the_same_and_has_the_licence(build: ModuleType, tmp_path: Path) -> None:
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    build.pack(first)
    build.pack(second)
    assert first.read_bytes() == second.read_bytes()
    names = set(zipfile.ZipFile(first).namelist())
    assert {"tagger/tagger.php", "tagger/uninstall.php", "tagger/LICENSE", "tagger/languages/tagger-zh_CN.mo"} <= names
    assert all(name.startswith("tagger/") for name in names)


def test_every_text_is_translated_and_the_mo_is_made_of_the_po(build: ModuleType) -> None:
    po = PLUGIN / "languages" / "tagger-zh_CN.po"
    known = {key.partition("\0")[0] for key, value in build.messages(po.read_text("utf-8")).items() if value}
    texts = {text.replace("\\'", "'") for file in files() for text in TRANSLATED.findall(file.read_text("utf-8"))}
    assert texts - known == set()
    assert known - texts - {""} == set(), "nothing is translated that is not shown"
    assert po.with_suffix(".mo").read_bytes() == build.compiled(po.read_text("utf-8"))


def test_the_version_is_the_same_everywhere() -> None:
    main = (PLUGIN / "tagger.php").read_text("utf-8")
    versions = {*re.findall(r"Version:\s+([\d.]+)$", main, flags=re.M), *re.findall(r"const VERSION = '([\d.]+)'", main)}
    versions |= set(re.findall(r"Stable tag: ([\d.]+)", (PLUGIN / "readme.txt").read_text("utf-8")))
    assert versions == {"0.2.0"}


def test_no_file_is_longer_than_300_lines() -> None:
    assert [file.name for file in files() if len(file.read_text("utf-8").splitlines()) > 300] == []
