"""What the page of the policy library shows is what the commands print."""

from __future__ import annotations

import re

import pytest
from tests.e2e.test_readme import ROOT, blocks, executed, not_printed

from situs.rego.library import shipped

PAGE = "docs/guides/policy-library.md"
SHOWN = [block for block in blocks(PAGE) if block.language == "sh"]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.section)
def test_an_example_of_the_page_prints_what_it_says(block):
    assert block.prints
    assert not_printed(block, executed(["bash", "-e", "-c", block.text])) == []


def test_every_policy_of_the_library_is_shown():
    there = {file.stem for file in shipped().parent.glob("examples/*.rego")}
    there = {name for name in there if not name.endswith("_test")}
    text = (ROOT / PAGE).read_text("utf-8")
    shown = set(re.findall(r"policies/examples/(\w+)\.rego", "".join(b.text for b in SHOWN)))
    assert shown == there
    assert set(re.findall(r"^\| \[`(\w+)`\]", text, re.MULTILINE)) == there
