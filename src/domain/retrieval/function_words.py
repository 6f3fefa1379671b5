"""The words that a language cannot do without: what tells it from others that share its script.

About twenty for each, among the most frequent ones, preferring those that few other languages have.
They are compared with words as `words` gives them: in folded case, with accents.
"""

from __future__ import annotations

from collections.abc import Mapping


def _listed(table: str) -> Mapping[str, frozenset[str]]:
    """Of lines that begin with a language; one may have several."""
    listed: dict[str, set[str]] = {}
    for line in table.strip().splitlines():
        name, *words = line.split()
        listed.setdefault(name, set()).update(words)
    return {name: frozenset(words) for name, words in listed.items()}


LATIN = _listed("""
en the of and to in is that for was with as on by are this be from which it not or an at have
en has were but their you we what how a i
de der die und das ist den von mit zu auf für im nicht ein eine dem sich als auch des werden
de wird sie bei nach oder aus einer wie
nl de het een en van in is dat op te voor met zijn niet aan er om ook als door bij naar worden
nl wordt deze hij
da og i at det er en til af på med for ikke som den der har et de var fra kan blev efter også
da jeg skal hvad
no og i det er en på til av som å med for ikke den har at et de var fra kan ble etter også jeg
no hva skal
sv och i att det är en på som för av med den till inte har ett de om var från kan efter också
sv jag vad ska
fi ja on ei se että oli hän joka mutta kun ovat myös tai sen ole niin kuin jos vain mukaan sekä
fi ollut
et ja on ei et oli ta kui ka oma või aga mis selle kes ning siis pole nende veel
fr le la les de des et est une un dans que pour qui du en par sur pas plus au il avec sont ce
fr cette aux à
it il di che la e è un per non una con sono da del della in si come più le gli dei nel alla ha
it anche questo
es el de la que y en los se del las un por con una es para no su al como más lo fue este pero
es está qué
pt o de que e do da em um para não uma os no se na por mais as dos como é ao foi são pelo pela
pt também à
ca el de la que i en els un per amb una és les del no al es més dels ha són com aquest aquesta
ca també però
ro și de în la a o că nu un cu din pe care este pentru mai sunt au fi sau după lui ale fost să
pl i w na z się do nie jest że to o jak za od po przez dla są oraz ale był tego co który może
cs a v na se je že s z do o to i jako po za pro ale by od ve jsou který nebo byl také není při
sk a v na sa je že s z do o to aj ako po za pre ale by od vo sú ktorý alebo bol tiež nie pri
sl in je v na se da za ki so z pa tudi po s od bi ne kot ali pri bilo bila kako
hr i u je na se da za od su s koji kao što iz te ne ili po do bio biti može nije
sr i u je na se da za od su sa koji kao što iz ne ili po do bio biti može nije ovaj
hu a az és hogy nem is egy van volt meg de csak mint ez már ha vagy kell minden után szerint
hu lehet
tr bir ve bu için ile da de çok olarak daha gibi olan kadar sonra ne en var değil ama
tr tarafından ise
id yang dan di dengan untuk pada dari ini itu adalah dalam tidak akan ke oleh atau sebagai juga
id karena telah
ga agus an na ar is go bhí tá le sé do ag atá leis faoi nó mar seo sin chun ach ina
eu eta da ez bat du zuen ere izan dira zen hau baina baino dute beste edo ziren dela
lt ir yra kad su tai iš į kaip bet buvo jo ar už nuo apie dėl per taip pat arba
lv un ir ar par kas uz no ka bet tika pēc ļoti vai lai arī kā bija savu tās
vi và của là có các được cho không trong một người với để này những từ khi đã
sq dhe të në për një me është nga që si ka më nuk janë ose kjo duke por
tl ang ng sa na mga at ay ni para hindi ito kung siya may ko mo
sw ya na wa kwa ni katika la za kuwa hii yake cha kama lakini pia hiyo
""")

CYRILLIC = _listed("""
ru и в не на что с по как это из у за от его к для был было только или же при они мы так но
ru если
uk і в не на що з та до як це у за від його для був або про є але вони ми так при
be і ў не на што з да як гэта у за ад яго для быў або пра але яны пры
bg и в не на че с да е се от за по като са си но или той това беше ще към
mk и во не на дека со да е се од за по како но или тој ова беше ќе кон
sr и у не на да је се од за су са као који или из по што није бити али
""")

ARABIC = _listed("""
ar في من على أن إلى عن مع هذا هذه كان التي الذي لا ما هو هي بين أو كل قد لم
fa و در به از که این را با است برای آن یک خود تا کرد بر هم شد می
ur کے میں کی ہے اور سے کا کو اس نے پر ہیں کہ یہ کر بھی تھا
""")

DEVANAGARI = _listed("""
hi के में की है और से का को ने पर हैं कि यह एक था इस लिए भी नहीं हो कर
ne र छ को मा यो लागि पनि गर्न भएको तथा गरेको हो छन् थियो बाट एक
mr आहे आणि या च्या ला मध्ये होते हे त्या की नाही ते आहेत होता व करण्यात
""")

HEBREW = _listed("""
he של את על לא הוא היא עם כי גם זה אל היה או אבל יש כל אם
yi און די דער איז אין פון צו דאס נישט מיט אויף האט זיך ער
""")
