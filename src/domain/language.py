"""The language of a text, named as the web names it (BCP 47)."""

from __future__ import annotations

import re
from typing import NewType

from domain.errors import Invalid

Language = NewType("Language", str)
"""A language tag in its usual spelling: `de`, `pt-BR`, `zh-Hant`."""

ENGLISH = Language("en")

TAG_LENGTH_MAX = 35  # RFC 5646, section 4.4.1

# Of RFC 5646 what names a language somebody writes: no private use, no grandfathered tags.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE | re.ASCII,
)
# ISO 639-1: what two letters may mean.
_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln
lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi
pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th
ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_TWO_LETTERS = frozenset(_ISO_639_1.split())


class LanguageNotUsable(Invalid):
    """A language is named by a tag of BCP 47, such as de, pt-BR or zh-Hant."""

    code = "language_not_usable"


def language(tag: str, *, field: str = "/language") -> Language:
    """The language that a tag names, in the spelling of RFC 5646, section 2.1.1.

    Raises LanguageNotUsable, blaming `field`. Three letters are not looked up: there are 8,000.
    """
    found = _TAG.fullmatch(tag) if len(tag) <= TAG_LENGTH_MAX else None
    if found is None:
        raise LanguageNotUsable(field=field)
    primary = found["language"].lower()
    if len(primary) == 2 and primary not in _TWO_LETTERS:
        raise LanguageNotUsable(field=field)
    parts = [primary, (found["script"] or "").title(), (found["region"] or "").upper()]
    return Language("-".join(part for part in parts if part) + found["rest"].lower())


def primary(language: Language) -> str:
    """The language alone, without script, region and variants."""
    return language.partition("-")[0]
