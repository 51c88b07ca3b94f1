"""Names by what stands beside them: titles and forms of address where words have no spaces.

The tagger looks at words. Chinese, Japanese and Korean write none apart, and of Devanagari it has
seen little; there a family name with a title, or the words "my name is", say who is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_JAPANESE = "|".join(
    """
    佐藤 鈴木 高橋 田中 伊藤 渡辺 渡邊 山本 中村 小林 加藤 吉田 山田 佐々木
    山口 松本 井上 木村 斎藤 斉藤 清水 山崎 池田 橋本 阿部 石川 山下 中島 石井
    小川 前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木 坂本 福田 太田 西村
    藤井 岡本 藤原 金子 三浦 中野 中川 原田 松田 竹内 小野 田村 中山 和田 石田
    森田 上田 内田 柴田 酒井 宮崎 横山 高木 安藤 宮本 大野 小島 工藤 谷口 今井
    高田 増田 丸山 杉山 村田 大塚 新井 小山 平野 藤本 河野 上野 野口 武田 松井
    千葉 岩崎 菅原 木下 久保 佐野 野村 松尾 市川 菊地 杉本 古川 大西 島田 水野
    桜井 吉川 渡部 山内 西田 飯田 菊池 西川 小松 北村 安田 五十嵐 川口 平田
    中田 久保田 服部 岩田 土屋 川崎 福島 本田 樋口 秋山 田口 永井 山中 中西
    吉村 川上 石原 大橋 松岡 馬場 浜田 森本 矢野 浅野 松下 星野 大久保 吉岡
    小池 野田 荒木 大谷 熊谷 松浦
    """.split()
)
_ENDINGS = (
    "郎子美男夫介太也香恵樹斗奈菜人輔志司彦雄之平吾助花里代江枝織音葉希乃翔蓮陽結優健誠亮浩隆"
    "茂勝豊進"
)
"""How given names end."""

_FAMILIES = (
    "王李张張刘劉陈陳杨楊赵趙黄黃周吴吳徐孙孫胡朱林何郭罗羅宋郑鄭谢謝韩韓唐冯馮于董萧蕭程曹袁"
    "邓鄧许許傅沈曾彭吕呂苏蘇卢盧蒋蔣蔡贾賈丁魏薛叶葉阎余潘杜戴夏钟鍾汪田姜范方石姚谭譚廖邹鄒"
    "熊金陆陸郝孔白崔康毛邱秦江史顾顧侯邵孟龙龍万雷钱錢汤湯尹黎易常武乔喬贺賀赖賴龚龔"
)
_GIVEN = (
    "伟偉芳娜秀英敏静靜丽麗强磊军軍洋勇艳杰娟涛明超霞平刚桂兰蘭玉萍红紅梅鹏宇浩凯建国國华華志"
    "文辉婷雪慧琳佳欣怡梦夢洁莹倩颖瑞俊峰斌飞龙鑫波宁晨阳陽子轩然博雨思小晓曉东東海春燕玲珍凤"
    "鳳琴云雲莉荣榮爱愛君健世家美淑惠雅"
)
_CHINESE = f"(?:欧阳|歐陽|司马|司馬|诸葛|諸葛|上官|[{_FAMILIES}])"
_KOREAN = (
    "[김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노곽성차주우민류나지엄채원천"
    "방공현함변염여추도석설길]"
)
_HAN, _KANA, _COLON = "一-鿿々", "ぁ-んァ-ヴー", r"[:\uff1a]"
_WORD = r"[\u0900-\u097f]"
_TITLES = "|".join(
    """
    श्रीमती श्रीमान श्री सुश्री कुमारी डॉक्टर डॉ डा प्रोफेसर प्रो मिस्टर मिस
    """.split()
)
_CALLED = rf"(?:मेरा|मेरो|उनका|उसका|इनका|इसका|उहाँको|उनको) नाम|नाम ?(?:{_COLON}|\u0903)"
_STOP = "|".join(
    """
    को का की के ने से में पर है हैं हो था थी थे और र ले लाई मा बाट छ छन् हुन् हुनुहुन्छ एक यह जी जीको नाम
    क्या कृपया तथा
    """.split()
)
_INDIAN = "|".join(
    """
    शर्मा वर्मा सिंह सिन्हा कुमार कुमारी गुप्ता यादव पटेल मिश्रा मिश्र तिवारी
    त्रिपाठी पांडे पाण्डे पाण्डेय पांडेय द्विवेदी चतुर्वेदी अग्रवाल जैन चौधरी
    चौहान राठौर ठाकुर जोशी दुबे शुक्ला श्रीवास्तव सक्सेना खान अंसारी देसाई शाह
    मेहता कपूर खन्ना मल्होत्रा चोपड़ा अरोड़ा भाटिया सेठी बंसल गोयल मित्तल राव
    रेड्डी नायर पिल्लई अय्यर दास घोष बोस बनर्जी मुखर्जी चटर्जी सेन पाटिल कुलकर्णी
    देशमुख जाधव शिंदे पवार गायकवाड़ नेगी रावत बिष्ट थापा श्रेष्ठ गुरुङ गुरुंग
    तामाङ तामांग राई लिम्बू मगर अधिकारी पौडेल घिमिरे कार्की खड्का बस्नेत भण्डारी
    भट्टराई आचार्य कोइराला दाहाल ढकाल रिजाल पोखरेल पोख्रेल सुवेदी बराल न्यौपाने
    लामा शेर्पा महर्जन शाक्य बज्राचार्य मानन्धर प्रधान खनाल ओली बोहरा बुढाथोकी
    रोका परियार विश्वकर्मा चौलागाईं
    """.split()
)
"""Family names of India and Nepal."""

_ONE = rf"(?!(?:{_STOP})(?!{_WORD})){_WORD}{{2,20}}"

_JAPANESE_NAME = rf"(?:{_JAPANESE})[ \u3000]?"
_JAPANESE_TITLES = "さん|様|氏|くん|君|ちゃん|先生|殿|社長|部長|課長|係長|教授|医師|弁護士"
_JAPANESE_CALLED = rf"(?:名前は|氏名[はが]?{_COLON}?|担当者?(?:[はの]|{_COLON})|私は)"
_JAPANESE_END = r"(?=です|と申|と言|という|[、。,\s]|\Z)"
_CHINESE_TITLES = (
    "先生|女士|小姐|太太|老师|老師|医生|醫生|教授|经理|經理|总监|律师|律師|同学|同學|阿姨"
)
_CHINESE_CALLED = rf"我叫|名叫|名字[是叫]|姓名(?:是|{_COLON})?|(?:联系人|收件人|患者){_COLON}"
_CHINESE_BESIDE = (
    "给|給|和|跟|与|與|找|联系|聯繫|聯絡|通知|同事|朋友|客户|客戶|员工|員工|患者|病人|致|亲爱的"
)
_KOREAN_TITLES = r" ?(?:씨|선생님|교수님|과장님|대리님|팀장님|부장님|사장님|의사)|님"
_KOREAN_CALLED = rf"(?:이름은|성함은|저는|이름{_COLON}|성명{_COLON})"
_KOREAN_END = r"이고|이며|입니다|이에요|예요|라고|이라고|[ ,.\n]|\Z"

_EAST = (
    rf"{_JAPANESE_NAME}[{_HAN}]{{0,3}}?(?={_JAPANESE_TITLES})",
    rf"(?<![{_HAN}])[{_HAN}]{{2,4}}(?<![者生員師手人客屋様官長方母父兄姉嫁婿坊])(?=さん)",
    rf"{_JAPANESE_NAME}[{_HAN}]{{0,2}}[{_ENDINGS}](?![{_HAN}])",
    rf"{_JAPANESE_CALLED}[ \u3000]?({_JAPANESE_NAME}[{_HAN}{_KANA}]{{0,5}}?){_JAPANESE_END}",
    rf"{_CHINESE}[{_HAN}]{{0,2}}?(?={_CHINESE_TITLES})",
    rf"(?:{_CHINESE_CALLED})\s?({_CHINESE}[{_HAN}]{{1,2}}?)(?![{_HAN}])",
    rf"(?:{_CHINESE_CALLED}|{_CHINESE_BESIDE})\s?({_CHINESE}[{_GIVEN}]{{1,2}})",
)
_KOREA = (
    rf"(?<![가-힣]){_KOREAN}[가-힣]{{1,2}}(?<![자객님])(?={_KOREAN_TITLES})",
    rf"{_KOREAN_CALLED} ?({_KOREAN}[가-힣]{{2}})(?={_KOREAN_END})",
)
_INDIA = (
    rf"(?<!{_WORD})(?:(?:{_TITLES})(?:\. ?| )|(?:{_CALLED}) ?)({_ONE}(?: {_ONE}){{0,2}})",
    rf"(?<!{_WORD}){_ONE}(?: (?:बहादुर|कुमार|प्रसाद|लाल|देवी|राज|चन्द्र|सिंह))? (?:{_INDIAN})(?!{_WORD})",
)
_ARABIC = "السيد|السيدة|الدكتور|الدكتورة|الأستاذ|الأستاذة|المهندس|المهندسة|اسمي|اسمه|اسمها"
_HEBREW = "מר|גברת|גב'|ד\"ר|פרופ'|שמי|שמו|שמה"
_THAI = "นางสาว|นาย|นาง|ผมชื่อ|ดิฉันชื่อ|ฉันชื่อ|คุณ"
_OTHERS = (
    rf"(?<!\w)(?:{_ARABIC}) ((?!في|من|على|هو|هي)\w{{2,15}}(?: \w{{2,15}})?)",
    rf"(?<!\w)(?:{_HEBREW}) (\w{{2,15}}(?: \w{{2,15}})?)",
    rf"(?:{_THAI}) ?([\u0e00-\u0e7f]{{2,20}} [\u0e00-\u0e7f]{{2,20}})",
)
_SCRIPTS = (
    ("[一-鿿]", _EAST),
    ("[가-힣]", _KOREA),
    (_WORD, _INDIA),
    ("[\u0590-\u06ff\u0e00-\u0e7f]", _OTHERS),
)
_UNREAD = re.compile("[\u0590-\u109f\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
"""Letters in which the tagger guesses: in texts without a person it saw one in every third."""

_CASED = re.compile("[\u0370-\u058f]")
"""Letters of which it knows the capitals."""

_LANGUAGES = frozenset(
    """
    afrikaans albanian american amharic arabic armenian asian australian austrian bavarian
    belgian bengali bosnian brazilian british bulgarian burmese cambodian canadian cantonese
    catalan cherokee chinese croatian czech danish dutch english esperanto estonian
    ethiopian european filipino finnish flemish french gaelic galician german greek gujarati
    hausa hawaiian hebrew hindi hungarian icelandic igbo indian indonesian iranian iraqi
    irish italian japanese javanese kannada kazakh khmer korean kurdish kyrgyz latin latvian
    lithuanian macedonian maithili malay malayalam maltese mandarin maori marathi mexican
    mongolian moroccan nepalese nepali newari norwegian pakistani pashto persian polish
    portuguese punjabi quechua romanian russian sanskrit scandinavian scottish serbian
    sinhala sinhalese slovak slovenian somali spanish sundanese swahili swedish swiss
    tagalog tamil telugu thai tibetan turkish ukrainian urdu uzbek vietnamese welsh xhosa
    yiddish yoruba zulu
    """.split()
)
_OPENERS = frozenset(
    """
    ask calculate classify compare compose compute convert correct create define describe design
    discuss draft evaluate explain extract fix generate give help identify implement list make
    outline paraphrase proofread provide read rephrase reply respond review rewrite show sort
    suggest summarise summarize tell translate turn use write
    how what when where which who whose why
    quel quelle quelles quels comment pourquoi combien quand où donne écris explique rédige résume
    traduis cómo cuál cuáles cuándo cuánto cuántos dónde qué quién escribe explica resume traduce
    welche welchem welchen welcher welches warum weshalb wie wann erkläre schreibe übersetze
    quali quale quando perché scrivi spiega traduci qual quais quanto porque escreva explique
    hoe waarom wanneer welk schrijf vertaal
    """.split()
)
"""Words that open a question or a request, in which every first word has a capital."""

_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Lady|Lord)\.?\s\Z")


def addressed(text: str) -> list[tuple[int, int]]:
    """Where persons stand by their titles, in order of place and apart from each other."""
    if text.isascii():
        return []
    found: list[tuple[int, int]] = []
    for start, end in sorted(_matches(text), key=lambda span: (span[0], -span[1])):
        if not found or start >= found[-1][1]:
            found.append((start, end))
    return found


def is_nobody(text: str, start: int, end: int) -> bool:
    """Whether what the tagger found is the name of a language or a nation (not "Mr French"), a word
    that opens a question, in letters that it does not read, or in small ones where names have
    capitals."""
    word = text[start:end]
    if word.lower() in _LANGUAGES:
        return _TITLED.search(text[max(0, start - 12) : start]) is None
    if word.lower() in _OPENERS:
        return True
    if word.isascii():
        return False
    return _UNREAD.search(word) is not None or (word.islower() and _CASED.search(word) is not None)


def _matches(text: str) -> Iterator[tuple[int, int]]:
    for letters, patterns in _scripts():
        if letters.search(text):
            for pattern in patterns:
                for match in pattern.finditer(text):
                    yield match.span(min(1, pattern.groups))


@cache
def _scripts() -> tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...]:
    return tuple(
        (re.compile(letters), tuple(map(re.compile, patterns))) for letters, patterns in _SCRIPTS
    )
