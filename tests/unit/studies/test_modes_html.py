"""The page of `situs modes compare`: a picture for each pair of places, and nothing else needed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tests.unit.stores.test_comparisons import ROW
from tests.unit.studies.test_modes_report import ALIKE, rows

from situs.cli.main import cli
from situs.stores.comparisons import add
from situs.studies.modes_html import page
from situs.studies.modes_report import report


def made(compared):
    """The page, and the pictures in it as trees."""
    html = page(report(compared), 0.0, 86400.0)
    return html, [ElementTree.fromstring(one) for one in re.findall("<svg.*?</svg>", html)]  # noqa: S314


def texts(picture):
    return ["".join(one.itertext()) for one in picture.iter("text")]


def bars(picture, kind):
    return [float(one.get("width")) for one in picture.iter("rect") if one.get("class") == kind]


def test_a_pair_of_places_is_one_picture_with_a_row_for_each_kind_of_request():
    _, pictures = made([*rows(40), *rows(9, task="code"), *rows(50, copied="other")])
    assert [one.get("aria-label")[:6] for one in pictures] == ["other ", "office"]
    assert [len(bars(one, "room")) for one in pictures] == [1, 2]


def test_bars_stand_for_what_both_took_side_by_side():
    _, [picture] = made(rows(40))
    first, whole, cost = bars(picture, "served")
    _, copied_first, copied_whole, copied_cost = bars(picture, "copied")
    assert (copied_first / first, copied_whole / whole) == pytest.approx((2.0, 2.0))
    assert copied_cost / cost == pytest.approx(0.1)
    assert {"0.1 s", "0.2 s", "1 s", "2 s", "1 USD", "0.1 USD", "x2.00 [2.00, 2.00]"} <= set(
        texts(picture)
    )
    assert "cost of 1,000 requests" in texts(picture)


def test_agreement_is_drawn_with_where_it_lies():
    mixed = [*rows(50), *[replace(ALIKE, id=f"x{n}", similarity=0.0, same=False)
                          for n in range(50)]]  # fmt: skip
    _, [picture] = made(mixed)
    [room], [alike] = bars(picture, "room"), bars(picture, "alike")
    assert alike / room == pytest.approx(0.5)
    assert len([one for one in picture.iter("path") if one.get("class") == "likely"]) == 2


def test_what_is_not_known_is_said():
    bare = replace(ROW, similarity=None, same=None, ttft_s=None, cost=None)
    _, [picture] = made([bare])
    assert {"no two texts", "not streamed", "no one price known"} <= set(texts(picture))
    _, [picture] = made([replace(ROW, end="cut")])
    assert {"1 failed", "none was whole"} <= set(texts(picture))


def test_of_several_currencies_there_is_no_mean():
    html, _ = made([ROW, replace(ROW, id="other", currency="EUR")])
    assert "no one price known" in html


def test_names_are_text_and_nothing_is_fetched():
    html, _ = made(rows(3, route="<script>", served="<b>", copied='"><img src=x>'))
    assert not re.search(r"<(script|b|img)\b|https?:|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html


def test_without_copies_the_page_says_so():
    assert "no copies" in page([], 0.0, 1.0)


def test_the_command_writes_it(tmp_path):
    add(tmp_path, replace(ROW, at=4e9))
    given = ["modes", "compare", "--data", str(tmp_path), "--html", str(tmp_path / "page.html")]
    done = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert "office-llm" in done.output
    assert "<svg" in (tmp_path / "page.html").read_text()
