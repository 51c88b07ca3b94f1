from pathlib import Path

import pytest

from situs.config.paths import data_dir

HOME = Path("~").expanduser()


@pytest.mark.parametrize(
    ("override", "environ", "expected"),
    [
        ("/d", {"SITUS_DATA": "/e", "XDG_DATA_HOME": "/x"}, Path("/d")),
        (None, {"SITUS_DATA": "/e", "XDG_DATA_HOME": "/x"}, Path("/e")),
        (None, {"SITUS_DATA": "", "XDG_DATA_HOME": "/x"}, Path("/x/situs")),
        (None, {"XDG_DATA_HOME": "relative"}, HOME / ".local/share/situs"),
        (None, {}, HOME / ".local/share/situs"),
        ("~/d", {}, HOME / "d"),
        ("d", {}, Path.cwd() / "d"),
    ],
)
def test_data_directory_comes_from_the_first_that_says_one(override, environ, expected):
    assert data_dir(Path(override) if override else None, environ) == expected
