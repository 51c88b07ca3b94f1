"""Roll-backs hold until somebody resets them."""

from __future__ import annotations

import pytest

from situs.errors import StoreError
from situs.stores.pilots import FILE, RollBack, reset, roll_back, rolled_back, signature

WHY = RollBack(1.0, "errors", 0.5, 0.01, 50, 60)


def test_what_was_rolled_back_stays_so_until_it_is_reset(tmp_path):
    assert rolled_back(tmp_path) == {}
    roll_back(tmp_path, "defaults", WHY)
    roll_back(tmp_path, "routes.help", WHY)
    assert rolled_back(tmp_path) == {"defaults": WHY, "routes.help": WHY}
    assert reset(tmp_path, "defaults")
    assert not reset(tmp_path, "defaults")
    assert rolled_back(tmp_path) == {"routes.help": WHY}


def test_the_file_has_another_signature_once_it_was_written(tmp_path):
    assert signature(tmp_path) is None
    roll_back(tmp_path, "defaults", WHY)
    first = signature(tmp_path)
    reset(tmp_path, "defaults")
    assert first is not None
    assert signature(tmp_path) != first


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2, "rolled_back": {}}', '{"version": 1}', "\xff"]
)
def test_a_file_that_cannot_be_read_is_an_error_and_stays_as_it_is(tmp_path, text):
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    for step in (
        lambda: rolled_back(tmp_path),
        lambda: reset(tmp_path, "defaults"),
        lambda: roll_back(tmp_path, "defaults", WHY),
    ):
        with pytest.raises(StoreError):
            step()
    assert (tmp_path / FILE).read_text(encoding="latin-1") == text
