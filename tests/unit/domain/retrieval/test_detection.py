"""The language of a text is guessed well enough to stem it by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.detection import language_of

SENTENCES = {
    "en": "The lease ends in March, and the deposit is returned within a month.",
    "de": "Der Mietvertrag endet im März, und die Kaution wird nicht sofort zurückgezahlt.",
    "fr": "Le bail prend fin en mars et le dépôt de garantie est rendu dans les deux mois.",
    "es": "El contrato de alquiler termina en marzo y la fianza se devuelve en un mes.",
    "pt": "O contrato de arrendamento termina em março e a caução não é devolvida.",
    "it": "Il contratto di affitto termina a marzo e la cauzione non è restituita.",
    "nl": "De huurovereenkomst eindigt in maart en de waarborgsom wordt niet terugbetaald.",
    "sv": "Hyresavtalet upphör i mars och depositionen betalas inte tillbaka till en hyresgäst.",
    "pl": "Umowa najmu kończy się w marcu, a kaucja nie jest zwracana do końca roku.",
    "tr": "Kira sözleşmesi mart ayında sona eriyor ve depozito için bir ay daha bekleniyor.",
    "fi": "Vuokrasopimus päättyy maaliskuussa, ja takuu on myös palautettava, jos se on maksettu.",
    "ru": "Договор аренды заканчивается в марте, и залог не возвращается.",
    "uk": "Договір оренди закінчується в березні, і застава не повертається, якщо це є.",
    "el": "Η μίσθωση λήγει τον Μάρτιο και η εγγύηση επιστρέφεται.",
    "ar": "ينتهي عقد الإيجار في مارس ولا يعاد التأمين إلى المستأجر.",
    "he": "חוזה השכירות מסתיים במרץ והפיקדון לא מוחזר על ידי בעל הבית, אבל גם זה אפשרי.",
    "hi": "किराये का अनुबंध मार्च में समाप्त होता है और जमा राशि वापस की जाती है।",
    "mr": "भाडेकरार मार्च मध्ये संपतो आणि ठेव परत केली जात नाही.",
    "zh": "租约于三月到期，押金在一个月内退还。",
    "ja": "賃貸契約は三月に終わり、敷金は一か月以内に返されます。",
    "ko": "임대차 계약은 3월에 끝나고 보증금은 한 달 안에 돌려받습니다.",
    "th": "สัญญาเช่าสิ้นสุดในเดือนมีนาคม และเงินประกันจะคืนภายในหนึ่งเดือน",
    "ta": "வாடகை ஒப்பந்தம் மார்ச் மாதத்தில் முடிவடைகிறது.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language: str) -> None:
    assert language_of(SENTENCES[language]) == language


@pytest.mark.parametrize("language", ["en", "nl", "it"])
def test_a_sign_of_another_script_changes_nothing(language: str) -> None:
    assert SENTENCES[language].isascii() or language == "it"
    assert language_of(f"“{SENTENCES[language]}” – Ω") == language


@pytest.mark.parametrize("text", ["", "1,612.5", "SKU-1234 ABX", "apricot bolt cedar", "!?"])
def test_what_cannot_be_told_is_taken_for_english(text: str) -> None:
    assert language_of(text) == "en"


@given(st.text(max_size=200))
def test_any_text_has_a_language_and_always_the_same(text: str) -> None:
    assert 2 <= len(language_of(text)) <= 3
    assert language_of(text) == language_of(text)


@pytest.mark.parametrize("language", ["en", "de", "hi", "zh"])
def test_paragraphs_of_real_text_are_told_apart(shared_data: Path, language: str) -> None:
    corpus = shared_data / "collections" / f"xquad_{language}" / "corpus.jsonl"
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    right = sum(language_of(text) == language for text in texts)
    assert right / len(texts) >= 0.98
