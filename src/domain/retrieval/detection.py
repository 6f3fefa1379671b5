"""Guesses the language of a text: by its script, and where several share one by their small words.

It needs no model and gives the same answer every time. A wrong guess costs little: words are then
cut to stems by other rules, in the document and in every question alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache

from domain.language import ENGLISH, Language
from domain.retrieval.function_words import ARABIC, CYRILLIC, DEVANAGARI, HEBREW, LATIN
from domain.retrieval.words import words

SAMPLE_CHARACTERS = 20_000
"""More of a text would not tell more."""

_SHARE_MIN = 0.05
_MARGIN_MIN = 1.15
_WORDS_MIN = 2
_LETTERS_PER_HAN = 3


def language_of(text: str) -> Language:
    """The language of most of its beginning. What cannot be told is taken for English."""
    sample = text[:SAMPLE_CHARACTERS]
    foreign = _ASCII.sub("", sample)
    counted = {name: len(script.findall(foreign)) for name, script in _SCRIPTS.items()}
    counted["latin"] += len(sample.encode("ascii", "ignore").translate(None, _ASCII_OTHERS))
    counted["han"] *= _LETTERS_PER_HAN
    if not any(counted.values()):
        return ENGLISH
    script = max(counted, key=lambda name: counted[name])
    if script == "han":
        # Japanese is written in Chinese characters and kana, and seldom without the latter.
        return Language("ja" if counted["kana"] * 30 > counted["han"] else "zh")
    if script in _ALONE:
        return Language(_ALONE[script])
    return _by_small_words(sample, script)


def _by_small_words(sample: str, script: str) -> Language:
    """The language of whose words there are most. One that is shared by several counts less."""
    candidates, otherwise = _SHARED[script]
    said = Counter(words(sample))
    total = sum(said.values())
    known = _how_many_know(script)
    scores = {
        name: sum(said[word] / known[word] for word in listed & said.keys()) / max(total, 1)
        for name, listed in candidates.items()
    }
    best = min(scores, key=lambda name: (-scores[name], name))
    # Neighbours such as Danish and Norwegian are often close, and either is better than neither.
    if (
        scores[best] < max(_SHARE_MIN, _MARGIN_MIN * scores.get(otherwise, 0.0))
        or len(candidates[best] & said.keys()) < _WORDS_MIN
    ):
        return otherwise
    return Language(best)


@cache
def _how_many_know(script: str) -> Counter[str]:
    candidates, _ = _SHARED[script]
    return Counter(word for listed in candidates.values() for word in listed)


# Most of most texts is ASCII, where one look tells as much as one for each script.
_ASCII = re.compile("[\x00-\x7f]+")
_ASCII_OTHERS = bytes(code for code in range(128) if not chr(code).isalpha())
_SCRIPTS = {
    "latin": re.compile("[a-zA-Z\u00c0-\u024f\u1e00-\u1eff]"),
    "han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"),
    "kana": re.compile("[\u3040-\u30ff]"),
    "hangul": re.compile("[\uac00-\ud7ff]"),
    "cyrillic": re.compile("[\u0400-\u04ff]"),
    "arabic": re.compile("[\u0600-\u06ff]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "hebrew": re.compile("[\u0590-\u05ff]"),
    "greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "armenian": re.compile("[\u0530-\u058f]"),
    "georgian": re.compile("[\u10a0-\u10ff]"),
    "thai": re.compile("[\u0e00-\u0e7f]"),
    "lao": re.compile("[\u0e80-\u0eff]"),
    "khmer": re.compile("[\u1780-\u17ff]"),
    "burmese": re.compile("[\u1000-\u109f]"),
    "tibetan": re.compile("[\u0f00-\u0fff]"),
    "amharic": re.compile("[\u1200-\u139f]"),
    "bengali": re.compile("[\u0980-\u09ff]"),
    "gurmukhi": re.compile("[\u0a00-\u0a7f]"),
    "gujarati": re.compile("[\u0a80-\u0aff]"),
    "odia": re.compile("[\u0b00-\u0b7f]"),
    "tamil": re.compile("[\u0b80-\u0bff]"),
    "telugu": re.compile("[\u0c00-\u0c7f]"),
    "kannada": re.compile("[\u0c80-\u0cff]"),
    "malayalam": re.compile("[\u0d00-\u0d7f]"),
    "sinhala": re.compile("[\u0d80-\u0dff]"),
}
_SHARED: Mapping[str, tuple[Mapping[str, frozenset[str]], Language]] = {
    "latin": (LATIN, ENGLISH),
    "cyrillic": (CYRILLIC, Language("ru")),
    "arabic": (ARABIC, Language("ar")),
    "devanagari": (DEVANAGARI, Language("hi")),
    "hebrew": (HEBREW, Language("he")),
}
_ALONE = {
    "kana": "ja",
    "hangul": "ko",
    "greek": "el",
    "armenian": "hy",
    "georgian": "ka",
    "thai": "th",
    "lao": "lo",
    "khmer": "km",
    "burmese": "my",
    "tibetan": "bo",
    "amharic": "am",
    "bengali": "bn",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "odia": "or",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "sinhala": "si",
}
