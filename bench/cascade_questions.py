"""Questions with one right answer, easy to hard for a very small model, each after four shown."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec import Struct


class Question(Struct, frozen=True):
    task: str
    prompt: str
    answer: str


def questions() -> list[Question]:
    """In an order that is always the same, task by task."""
    found = [*_sums(), *_series(), *_facts(), *_orders()]
    return sorted(found, key=lambda one: one.task)


def _sums() -> Iterator[Question]:
    draw = random.Random(6)
    shown = "2+3=5\n10+7=17\n9+4=13\n31+12=43\n"
    pairs = [(a, b) for a in range(1, 40) for b in range(1, 20)]
    for a, b in draw.sample(pairs, 300):
        yield Question("sum", f"{shown}{a}+{b}=", str(a + b))
    shown = "9-4=5\n17-3=14\n20-9=11\n43-12=31\n"
    for a, b in draw.sample([(a, b) for a, b in pairs if a > b], 200):
        yield Question("difference", f"{shown}{a}-{b}=", str(a - b))


def _series() -> Iterator[Question]:
    draw = random.Random(7)
    shown = "1, 2, 3, 4, 5\n10, 20, 30, 40, 50\n7, 9, 11, 13, 15\n30, 27, 24, 21, 18\n"
    steps = [(first, step) for first in range(1, 60) for step in (-3, -2, 1, 2, 3, 4, 5, 7, 10)]
    for first, step in draw.sample([one for one in steps if one[0] + 4 * one[1] > 0], 300):
        said = ", ".join(str(first + step * k) for k in range(4))
        yield Question("series", f"{shown}{said},", str(first + 4 * step))


def _facts() -> Iterator[Question]:
    shown = "France: Paris\nJapan: Tokyo\nBrazil: Brasilia\nGhana: Accra\n"
    for line in _CAPITALS.split(","):
        land, town = line.strip().split(": ")
        yield Question("capital", f"{shown}{land}:", town)
    shown = "hot: cold\nup: down\nlong: short\neast: west\n"
    for line in _OPPOSITES.split(","):
        one, other = line.split()
        yield Question("opposite", f"{shown}{one}:", other)
        yield Question("opposite", f"{shown}{other}:", one)


def _orders() -> Iterator[Question]:
    """Which of the numbers in a sentence is the order's; the more there are, the harder."""
    draw = random.Random(8)
    shown = "".join(
        f"{_order(form, number, other)}\nOrder: {number}\n"
        for form, number, other in zip(
            _FORMS[::2], (4411, 9027, 1385, 6670), (3, 12, 7, 30), strict=True
        )
    )
    for _ in range(300):
        number, other = draw.randrange(1000, 9999), draw.randrange(2, 9999)
        said = _order(draw.choice(_FORMS), number, other)
        yield Question("order", f"{shown}{said}\nOrder:", str(number))


def _order(form: str, number: int, other: int) -> str:
    return form.format(number=number, other=other)


_FORMS = (
    "My order {number} has not come.",
    "I sent order {number} back.",
    "Order {number} of {other} pieces is broken.",
    "Where is number {number}, which I paid {other} days ago?",
    "I have ordered {other} chairs, order number {number}.",
    "In room {other} nobody knows of order {number}.",
    "Call me at {other} about my order {number}.",
    "I paid {other} for the thing, it is {number}.",
)

_CAPITALS = """Germany: Berlin, Italy: Rome, Spain: Madrid, Portugal: Lisbon, Austria: Vienna,
Poland: Warsaw, Hungary: Budapest, Greece: Athens, Sweden: Stockholm, Norway: Oslo,
Denmark: Copenhagen, Finland: Helsinki, Ireland: Dublin, Belgium: Brussels, Netherlands: Amsterdam,
Switzerland: Bern, Romania: Bucharest, Bulgaria: Sofia, Serbia: Belgrade, Croatia: Zagreb,
Slovenia: Ljubljana, Slovakia: Bratislava, Ukraine: Kyiv, Belarus: Minsk, Russia: Moscow,
Turkey: Ankara, Egypt: Cairo, Morocco: Rabat, Algeria: Algiers, Tunisia: Tunis, Libya: Tripoli,
Sudan: Khartoum, Ethiopia: Addis Ababa, Kenya: Nairobi, Uganda: Kampala, Rwanda: Kigali,
Zambia: Lusaka, Zimbabwe: Harare, Angola: Luanda, Nigeria: Abuja, Senegal: Dakar, Mali: Bamako,
Niger: Niamey, Chad: N'Djamena, Cameroon: Yaounde, Gabon: Libreville, Somalia: Mogadishu,
Botswana: Gaborone, Namibia: Windhoek, Malawi: Lilongwe, India: New Delhi, Pakistan: Islamabad,
Bangladesh: Dhaka, Nepal: Kathmandu, Bhutan: Thimphu, Sri Lanka: Colombo, Thailand: Bangkok,
Vietnam: Hanoi, Laos: Vientiane, Cambodia: Phnom Penh, Malaysia: Kuala Lumpur,
Indonesia: Jakarta, Philippines: Manila, China: Beijing, Mongolia: Ulaanbaatar,
South Korea: Seoul, North Korea: Pyongyang, Iran: Tehran, Iraq: Baghdad, Syria: Damascus,
Lebanon: Beirut, Jordan: Amman, Israel: Jerusalem, Saudi Arabia: Riyadh, Yemen: Sanaa,
Oman: Muscat, Qatar: Doha, Afghanistan: Kabul, Uzbekistan: Tashkent, Georgia: Tbilisi,
Armenia: Yerevan, Azerbaijan: Baku, Canada: Ottawa, Mexico: Mexico City, Cuba: Havana,
Haiti: Port-au-Prince, Jamaica: Kingston, Guatemala: Guatemala City, Honduras: Tegucigalpa,
Nicaragua: Managua, Costa Rica: San Jose, Panama: Panama City, Colombia: Bogota,
Venezuela: Caracas, Ecuador: Quito, Peru: Lima, Bolivia: La Paz, Chile: Santiago,
Argentina: Buenos Aires, Uruguay: Montevideo, Paraguay: Asuncion, Australia: Canberra,
New Zealand: Wellington, Fiji: Suva, Iceland: Reykjavik, Estonia: Tallinn, Latvia: Riga,
Lithuania: Vilnius, Malta: Valletta, Cyprus: Nicosia, Albania: Tirana, Moldova: Chisinau"""

_OPPOSITES = """good bad,big small,left right,day night,light dark,fast slow,old young,rich poor,
hard soft,high low,near far,open closed,wet dry,full empty,happy sad,strong weak,early late,
first last,true false,inside outside,above below,win lose,buy sell,push pull,start stop,love hate,
black white,north south,clean dirty,loud quiet,thick thin,wide narrow,sweet sour,sharp dull,
deep shallow,heavy light,war peace,friend enemy,question answer,give take,come go,rise fall,
arrive depart,remember forget,laugh cry,male female,summer winter,alive dead,rough smooth,
tight loose,brave cowardly,guilty innocent,ancient modern,polite rude,victory defeat"""
