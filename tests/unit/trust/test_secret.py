import pytest

from situs.errors import OperatorError
from situs.trust.secret import FILE, open_secret


def test_the_same_secret_is_found_again_and_only_its_owner_reads_it(tmp_path):
    first = open_secret(tmp_path)
    assert open_secret(tmp_path) == first
    assert len(first) == 32
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_installations_have_two_secrets(tmp_path):
    assert open_secret(tmp_path / "a") != open_secret(tmp_path / "b")


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    open_secret(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(OperatorError, match="can be read by others"):
        open_secret(tmp_path)


def test_a_damaged_secret_is_refused(tmp_path):
    open_secret(tmp_path)
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(OperatorError, match="not a key"):
        open_secret(tmp_path)
