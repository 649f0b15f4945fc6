"""In which encoding a table is read. Nothing is guessed: the texts of a table go into a CMS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagger.cms.url_list.reader import UrlListReader
from tagger.errors import BadRequest, LabelsInvalid, TaggerError
from tagger.evaluation import ground_truth
from tagger.services.backfill.plan import Wanted, plan_table
from tagger.site import Site
from tagger.tables.text_encoding import decoded

TABLES = {  # encoding → a title in it
    "gbk": "北京天坛祈年殿",
    "big5": "臺北故宮",
    "shift_jis": "東京タワーの写真",
    "euc-kr": "서울 남산",
    "windows-1251": "Кошка",
    "windows-1250": "Žluťoučký kůň",
    "windows-1252": "Café “Noël” – 5 €",
    "mac_roman": "Café à Besançon",
    "iso-8859-15": "Café",
}


@pytest.mark.parametrize("encoding", TABLES)
def test_a_table_that_does_not_say_its_encoding_is_refused_with_the_remedy(encoding: str) -> None:
    with pytest.raises(LabelsInvalid, match="does not say which encoding it has") as told:
        decoded(TABLES[encoding].encode(encoding), "t.csv", LabelsInvalid)
    assert "--encoding" in told.value.remedy
    assert "UTF-8" in told.value.remedy


@pytest.mark.parametrize("encoding", TABLES)
def test_the_named_encoding_is_read(encoding: str) -> None:
    assert decoded(TABLES[encoding].encode(encoding), "t.csv", BadRequest, encoding.upper()) == TABLES[encoding]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("title", ["北京天坛", "Кошка", "Café"])
def test_unicode_needs_no_option(encoding: str, title: str) -> None:
    raw = f"url\n{title}".encode(encoding)
    assert decoded(raw, "t.csv", BadRequest) == f"url\n{title}"
    if encoding != "utf-8":
        assert decoded(raw, "t.csv", BadRequest, "gbk") == f"url\n{title}", "the bytes themselves say what they are"


def test_utf_8_is_not_read_as_another_encoding() -> None:
    with pytest.raises(BadRequest, match="is valid UTF-8, but --encoding says windows-1252"):
        decoded("Café".encode(), "t.csv", BadRequest, "windows-1252")
    assert decoded("Café".encode(), "t.csv", BadRequest, "UTF8") == "Café"
    assert decoded(b"cup", "t.csv", BadRequest, "gbk") == "cup"


@pytest.mark.parametrize(
    "encoding", ["utf-9", "", "rot13", "hex", "idna", "unicode_escape", "undefined", "utf-7", "UTF7", "a\0b"]
)
def test_an_unknown_encoding_is_named(encoding: str) -> None:
    with pytest.raises(BadRequest, match="There is no encoding") as told:
        decoded(b"caf\xe9", "t.csv", BadRequest, encoding)
    assert "windows-1252" in told.value.remedy


@pytest.mark.parametrize(
    ("raw", "encoding"), [(b"\x93Caf\xe9\x94", "latin-1"), ("Кошка".encode("cp1251"), "gbk"), (b"\x81", "cp1252")]
)
def test_the_wrong_encoding_is_refused_where_it_shows(raw: bytes, encoding: str) -> None:
    with pytest.raises(TaggerError, match=r"control character|is not valid"):
        decoded(raw, "t.csv", BadRequest, encoding)


def test_a_nul_character_is_named_with_its_line() -> None:
    """A row with one could never be stored, and the backfill would try it again for ever."""
    with pytest.raises(LabelsInvalid, match=r"labels.csv, line 3: there is a NUL character"):
        ground_truth.parse(b"file,true_tags\na.png,cat\nb.png,c\0at\n")


def test_a_backfill_reads_its_table_again_in_the_same_encoding(tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    file.write_bytes("url,id,title\nhttp://cms.example/1.jpg,1,北京天坛\n".encode("gbk"))
    seen = UrlListReader(file, encoding="gbk").survey()
    again = UrlListReader.of({"csv": str(file), "sha256": seen.sha256, "encoding": "gbk"})
    assert [asset.context.title for asset in again.assets()] == ["北京天坛"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_a_backfill_that_an_older_version_began_goes_on_as_that_version_read_its_table(tmp_path: Path, encoding: str) -> None:
    """Its spec has no key `encoding`. A backfill of this version has one, and there nothing is guessed."""
    file = tmp_path / "images.csv"
    file.write_bytes("url,id,title\nhttp://cms.example/1.jpg,1,Café\n".encode(encoding))
    [asset] = UrlListReader.of({"csv": str(file)}).assets()
    assert asset.context.title == "Café"
    if encoding == "windows-1252":
        with pytest.raises(BadRequest, match="does not say which encoding it has"):
            list(UrlListReader.of({"csv": str(file), "encoding": None}).assets())


@pytest.mark.parametrize("named", [None, "utf-8"])
def test_a_new_backfill_always_stores_its_encoding(tmp_path: Path, named: str | None) -> None:
    file = tmp_path / "images.csv"
    file.write_text("url\nhttp://cms.example/1.jpg\n", "utf-8")
    plan = plan_table(Site(id="s", name="s"), file, Wanted(), window=10, now_ms=0, encoding=named)
    assert plan.spec["encoding"] == named


def test_a_line_that_is_left_out_says_why(tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    url = "http://cms.example/1.jpg"
    rows = [f"{url},a,Decorative", f"{url},b, LINK ", f"{url},c,decorativ", f"{url},{'d' * 600},", "/x.jpg,e,", f"{url},f,"]
    file.write_text("\n".join(["url,id,role", *rows]), "utf-8")
    assets = list(UrlListReader(file).assets())
    assert [asset.skip for asset in assets] == ["", "", "bad_role", "bad_id", "bad_url", ""]
    assert [asset.context.role for asset in assets[:2]] == ["decorative", "link"]
    told = UrlListReader(file).survey().left_out
    assert "a role that is none of informative, decorative, link, button, logo, unknown (line 4)" in told
    assert "an id that cannot be stored (line 5)" in told
    assert "no address of an image (line 6)" in told
