"""The text of a file that a person's program saved. No encoding is guessed: wrong characters would reach a CMS."""

from __future__ import annotations

import codecs

from tagger.errors import BadRequest

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods files are ZIP archives; an .xls file is OLE
NO_CHARSETS = ("idna", "punycode", "undefined", "mbcs", "oem", "utf-7")  # Python's codecs that also make text of bytes
CHARSETS_TO_NAME = "windows-1252 (western Europe), windows-1250, windows-1251, gbk, big5, shift_jis or euc-kr"
SAVE_OR_NAME = (
    f"Save the file as UTF-8 (in Excel: CSV UTF-8), or name its encoding with --encoding, for example {CHARSETS_TO_NAME}."
)


def decoded(raw: bytes, source: str, fault: type[BadRequest], encoding: str | None = None) -> str:
    """The text of a file: by its byte order mark, else in the named `encoding`, else in UTF-8.

    Errors: `fault` if the bytes are no text in it, if they are UTF-8 but another encoding is named, or if no encoding is named
    and they are not UTF-8. Nothing is guessed: most bytes are letters in Windows-1252, in Mac Roman, in GBK and in others.
    """
    if raw.startswith(SPREADSHEETS):
        raise fault(f"{source} is a spreadsheet.", "Save it as CSV.")
    named = None if encoding is None else _charset(encoding)
    certain = next((name for bom, name in BOMS if raw.startswith(bom)), None) or _utf_16(raw)
    if certain is not None:
        return _strictly(raw, certain, source, fault, "Save it as UTF-8.")
    if named is not None and named != "utf-8":
        if is_utf_8(raw) and not raw.isascii():
            detail = f"{source} is valid UTF-8, but --encoding says {encoding}."
            raise fault(detail, "Leave out --encoding. If the file is not UTF-8, save it as UTF-8.")
        return _printable(
            _strictly(raw, named, source, fault, "Name the right encoding, or save the file as UTF-8."), source, fault
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as err:
        detail = f"{source} is not UTF-8: byte {err.start} is not valid. The file does not say which encoding it has."
        raise fault(detail, SAVE_OR_NAME) from None


def _charset(name: str) -> str:
    """The codec of a named character set. Errors: BadRequest."""
    try:
        codec = codecs.lookup(name.strip()).name
        b"a".decode(codec)  # refuses codecs that are no text encodings, such as `hex`
    except UnicodeDecodeError:  # UTF-16 has no single byte
        pass
    except (LookupError, ValueError):
        codec = ""
    if not codec or codec in NO_CHARSETS or "escape" in codec:
        raise BadRequest(f"There is no encoding {name!r}.", f"Use for example {CHARSETS_TO_NAME}.")
    return codec


def _strictly(raw: bytes, codec: str, source: str, fault: type[BadRequest], remedy: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as err:
        raise fault(f"{source} cannot be read as {codec.upper()}: byte {err.start} is not valid.", remedy) from None


def _printable(text: str, source: str, fault: type[BadRequest]) -> str:
    """Errors: `fault` for what only a wrong encoding gives: C1 control characters (Windows-1252 read as Latin-1), and half of a
    surrogate pair, which no database stores."""
    wrong = next((char for char in text if "\x80" <= char <= "\x9f" or "\ud800" <= char <= "\udfff"), None)
    if wrong is not None:
        kind = "control character" if wrong <= "\x9f" else "half character"
        detail = f"{source} has the {kind} U+{ord(wrong):04X} in this encoding, so it is another one."
        raise fault(detail, "Name the right encoding, or save the file as UTF-8.")
    return text


def is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _utf_16(raw: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of the heading is a null."""
    head = raw[:64].split(b"\n")[0]
    if len(head) < 4 or b"\0" not in head:
        return None
    return "utf-16-le" if not any(head[1::2]) else "utf-16-be" if not any(head[0::2]) else None
