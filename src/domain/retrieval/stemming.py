"""Which stemmer is whose language, by the names that Snowball and PostgreSQL give them."""

from __future__ import annotations

from domain.language import Language, primary

SIMPLE = "simple"
# What every PostgreSQL from 14 on has. Later ones know more languages, and an index that is made on
# one server must be searchable on another.
_CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


def configuration_of(language: Language) -> str:
    """The configuration that stems this language, or `simple`, which leaves words as they are."""
    return _CONFIGURATIONS.get(primary(language), SIMPLE)
