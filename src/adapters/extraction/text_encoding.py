"""In which encoding a text is written, and what it says.

UTF-8 is told by its form, and UTF-16 by its byte order mark. Of the others, HTML names its own
(Encoding Standard); text that looks like it is taken for Windows-1252, as browsers do.
"""

from __future__ import annotations

import codecs
import re
import string
from encodings.aliases import aliases

CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""What no text has."""

_DECLARED_WITHIN = 1_024  # bytes: HTML standard, 13.2.3.2
_DECLARED = re.compile(rb"<meta\s[^>]{0,300}?charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.I)
# Looked up now, since a confined reader opens no module later.
_CODECS = {
    name: codecs.lookup(name)
    for name in (
        *(f"iso8859_{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *(f"cp{number}" for number in (866, 874, 932, 949, *range(1250, 1259))),
        *("koi8_r", "koi8_u", "mac_roman", "euc_jp", "gb18030", "big5"),
    )
}
# The Encoding Standard reads these as the larger ones, which they are part of.
_LARGER = {
    **dict.fromkeys(("ascii", "latin_1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("iso8859_11", "tis_620"), "cp874"),
    "iso8859_9": "cp1254",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_ASCII = bytes(range(128))
_LETTERS = string.ascii_letters.encode()
_FOREIGN_MAX = 1 / 3  # of the letters: more of them are another alphabet's


def text_of(content: bytes, *, whole: bool = True, guess: bool = True) -> str | None:
    """What a text says, or None where its encoding cannot be told.

    Where `content` is not the `whole` of it, it may end within a character. Without `guess` it is
    UTF-8, or UTF-16 with a byte order mark.
    """
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return None
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if utf_16 else "utf-8-sig")()
    try:
        return decoder.decode(content, final=whole)
    except UnicodeDecodeError:
        return _in_another(content) if guess and not utf_16 and b"\0" not in content else None


def _in_another(content: bytes) -> str | None:
    declared = _DECLARED.search(content[:_DECLARED_WITHIN])
    if declared is not None:
        codec = _codec(declared[1].decode("ascii", "replace"))
        if codec is not None:
            return codec.decode(content, "replace")[0]
    if not _seems_western(content):
        return None
    try:
        return _CODECS["cp1252"].decode(content)[0]
    except UnicodeDecodeError:
        return None


def _codec(label: str) -> codecs.CodecInfo | None:
    normal = label.lower().replace("-", "_").removeprefix("x_")
    name = aliases.get(normal, normal)
    return _CODECS.get(_LARGER.get(name, name))


def _seems_western(content: bytes) -> bool:
    """Whether letters beyond ASCII are few, and not those of UTF-8 that was damaged."""
    foreign = len(content.translate(None, _ASCII))
    letters = len(content) - len(content.translate(None, _LETTERS))
    in_utf_8 = len(content.decode("utf-8", "ignore").encode()) - (len(content) - foreign)
    return foreign <= (letters + foreign) * _FOREIGN_MAX and in_utf_8 <= foreign / 2
