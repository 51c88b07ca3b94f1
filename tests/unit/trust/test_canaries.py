import re

import pytest

from situs.errors import OperatorError
from situs.trust.canaries import MOST, load_canaries, new_canary, remove_canary


def test_a_canary_is_made_kept_to_its_owner_and_removed(tmp_path):
    assert load_canaries(tmp_path) == {}
    token = new_canary(tmp_path, "payroll")
    assert re.fullmatch(r"([a-z]{6}-){3}[a-z]{6}", token)
    (file,) = (tmp_path / "keys" / "canaries").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_canaries(tmp_path) == {"payroll": token}
    assert new_canary(tmp_path, "contracts") != token
    remove_canary(tmp_path, "payroll")
    assert set(load_canaries(tmp_path)) == {"contracts"}


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", ".x"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(OperatorError, match="no name"):
        new_canary(tmp_path, name)
    assert not (tmp_path / "keys").exists()


def test_a_name_is_used_once_and_what_is_not_there_is_not_removed(tmp_path):
    new_canary(tmp_path, "payroll")
    with pytest.raises(OperatorError, match="already"):
        new_canary(tmp_path, "payroll")
    with pytest.raises(OperatorError, match="no canary x"):
        remove_canary(tmp_path, "x")


def test_there_is_an_end_to_them(tmp_path):
    for number in range(MOST):
        new_canary(tmp_path, f"n{number}")
    with pytest.raises(OperatorError, match="100"):
        new_canary(tmp_path, "one-more")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 20])
def test_what_cannot_be_looked_for_is_told(tmp_path, content):
    new_canary(tmp_path, "payroll")
    (tmp_path / "keys" / "canaries" / "payroll").write_bytes(content)
    with pytest.raises(OperatorError):
        load_canaries(tmp_path)
