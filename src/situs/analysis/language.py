"""Which language is a text written in? Its script, or its small words where scripts are shared."""

# Letters of many alphabets look alike.
# ruff: noqa: RUF001

from __future__ import annotations

UNKNOWN = "und"
"""Undetermined, as BCP 47 has it."""

_READ = 400
"""Characters looked at."""

_FEW = 3
"""With more spaces than these, one small word is not enough where all letters are plain ones."""

_SCRIPTS: tuple[tuple[str, str, str], ...] = (
    ("ja", "\u3040", "\u30ff"), ("ko", "\uac00", "\ud7af"), ("zh", "\u4e00", "\u9fff"),
    ("th", "\u0e00", "\u0e7f"), ("he", "\u0590", "\u05ff"), ("el", "\u0370", "\u03ff"),
    ("bn", "\u0980", "\u09ff"), ("ta", "\u0b80", "\u0bff"), ("te", "\u0c00", "\u0c7f"),
    ("or", "\u0b00", "\u0b7f"), ("gu", "\u0a80", "\u0aff"), ("pa", "\u0a00", "\u0a7f"),
    ("kn", "\u0c80", "\u0cff"), ("ml", "\u0d00", "\u0d7f"), ("si", "\u0d80", "\u0dff"),
    ("ka", "\u10a0", "\u10ff"), ("hy", "\u0530", "\u058f"), ("my", "\u1000", "\u109f"),
)  # fmt: skip
"""Scripts of one language each, and what their letters lie between. Japanese comes before Chinese:
it has characters of both."""

_SMALL: dict[str, str] = {
    "en": "the of and to is in that for you it are what how with on do i my this can a be have not",
    "de": "der die das und ist nicht ich ein eine wie was mir bitte den mit zu von du auf es für",
    "fr": "le la les des est et un une je de que qui dans pour pas vous du au ce ne quel comment",
    "es": "el la los las de que es y un una en por para con no qué cómo me mi se del cuál está lo",
    "it": "il la di che è e un una per non mi si con del come cosa sono lo gli da le chi questo tu",
    "pt": "o a os as de que é e um uma em para não com do da se como qual meu no na você eu por",
    "nl": "de het een en van is niet ik je dat in op te voor met wat hoe zijn mijn naar deze wie",
    "sv": "och att det är en ett jag på som inte med för du vad hur av den till har min vem kan om",
    "id": "yang dan di ini itu untuk dengan tidak apa saya kamu adalah dari ke bisa ada bagaimana",
    "tr": "bir ve bu ne için mi ben sen nasıl değil ile var çok da de kim nedir mısın olarak neden",
    "pl": "i w nie się na jest to że do jak co z czy mi o po jestem kto dla ale ty masz jaki",
    "ru": "и в не на что я с как ты это по из у мне за то так вы но кто мы почему где все он меня",
    "uk": "і в не на що я з як ти це та у мені за до але ви хто чи ми чому де все є мене від він",
    "ar": "في من على ما هو هل أن لا إلى هذا هي كيف أنت أنا مع عن التي",
    "fa": "است از به در که این را با چه شما من تو آیا می و یک چیست برای هستم",
    "ur": "ہے کے کی میں کیا ہیں اور کو سے یہ نہیں آپ کا پر ہوں تم ہو",
    "hi": "है के की में क्या हैं और को से यह नहीं का पर हूँ मैं आप हो कैसे इस एक तुम लिए",
    "ne": "छ को मा हो के र यो लाई गर्नुहोस् छन् म तपाईं कसरी पनि भने यस एक छैन गर्न हुन्",
    "mr": "आहे का आणि मी तू काय नाही हे च्या कसे आहेत आपण मला तुम्ही ते आहात",
}  # fmt: skip

_OF = {word: tuple(one for one, many in _SMALL.items() if word in many.split())
       for words in _SMALL.values() for word in words.split()}  # fmt: skip
_AROUND = "?!.,;:()\"'¿¡«»„“”।؟،"


def language(text: str) -> str:
    """The ISO 639-1 code of the language of a text's beginning, `und` where that is not clear."""
    start = text[:_READ]
    if not start.isascii():
        letters = [char for char in start if char.isalpha()]
        for name, low, high in _SCRIPTS:
            if sum(low <= char <= high for char in letters) * 4 > len(letters):
                return name
    votes: dict[str, int] = {}
    for word in start.casefold().split():
        if not word.isalpha():
            word = word.strip(_AROUND)
        if word in _OF:
            for name in _OF[word]:
                votes[name] = votes.get(name, 0) + 1
    ranked = sorted(votes.values(), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0] == ranked[1]):
        return UNKNOWN
    found = max(votes, key=lambda name: votes[name])
    alone = ranked[0] == 1 and found != "en" and start.isascii() and start.count(" ") > _FEW
    return UNKNOWN if alone else found
