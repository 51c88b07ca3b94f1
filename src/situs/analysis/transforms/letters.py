"""What invented words are made of, by script: the first word of its letters' Unicode names."""
# ruff: noqa: RUF001

from __future__ import annotations

from typing import Final

SOUNDS: Final = {
    "latin": ("bcdfghklmnprstvz", "aeiou", "nlrsm"),
    "cyrillic": ("бвгджзклмнпрстфх", "аеиоу", "нлрсм"),
    "greek": ("βγδζθκλμνπρστφχ", "αειου", "νρ"),
}
"""How a syllable begins and goes on, and how a word ends."""

SIGNS: Final = {
    "cjk": (
        "安柏邦宝彩昌晨成川春达德东凡方飞丰福刚光广国海涵昊和恒弘华慧吉佳建江杰金京景静军"
        "凯康兰乐磊立莲良林灵龙梅美明宁鹏平琪奇启强青清庆秋泉荣瑞山尚思松涛天庭伟文武希夏祥"
        "晓新星秀雪雅彦阳艺英永友宇玉元月云志"
    ),
    "hiragana": "あいうえかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりる",
    "katakana": "アイウエカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリル",
    "hangul": "가나다라마바사아자차카타파하고노도로모보소오조호구누두루무부수우주",
    "arabic": "ابتثجحدرسشصطعفقكلمنهوي",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "thai": "กขคงจชซดตถทนบปพฟมยรลวสหอ",
    "devanagari": "कखगघचजटडतदनपबमयरलवशसह",
}
"""Letters of names in scripts that have no case."""
