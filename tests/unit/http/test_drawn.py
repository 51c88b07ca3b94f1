import msgspec
import pytest
from tests import make

from situs.core.data import DataSet
from situs.core.label import Label
from situs.core.request import Ask
from situs.errors import UnknownData
from situs.http.drawn import drawing

KNOWN = msgspec.structs.replace(
    make.snapshot(make.view(make.deployment("a"))),
    data={
        name: DataSet(name, Label.INTERNAL, ("a",), "DE") for name in ("ledgers", "staff", "maps")
    },
)


def request(header=None, metadata=None):
    document = {} if metadata is None else {"metadata": metadata}
    return make.request(document=document, ask=Ask(data=header))


@pytest.mark.parametrize(
    ("header", "metadata", "names"),
    [
        (None, None, ()),
        ("ledgers", None, ("ledgers",)),
        (" staff, ledgers,,", None, ("ledgers", "staff")),
        (None, {"situs_data": "maps"}, ("maps",)),
        ("ledgers", {"situs_data": "maps,ledgers"}, ("ledgers", "maps")),
        (None, {"customer": "7"}, ()),
    ],
)
def test_data_sets_are_named_by_header_and_metadata_together(header, metadata, names):
    assert drawing(request(header, metadata), KNOWN).data == names


@pytest.mark.parametrize(
    ("header", "metadata", "param"),
    [
        ("ledger", None, "x-situs-data"),
        ("ledgers,rumours", None, "x-situs-data"),
        (None, {"situs_data": "rumours"}, "metadata.situs_data"),
        (None, {"situs_data": ["ledgers"]}, "metadata.situs_data"),
        (None, {"situs_data": " "}, "metadata.situs_data"),
    ],
)
def test_an_undeclared_data_set_is_refused_and_not_quoted(header, metadata, param):
    with pytest.raises(UnknownData) as refused:
        drawing(request(header, metadata), KNOWN)
    assert refused.value.param == param
    assert "rumours" not in refused.value.message + refused.value.advice


def test_the_nearest_name_is_told():
    with pytest.raises(UnknownData) as refused:
        drawing(request("ledger"), KNOWN)
    assert refused.value.advice == "Did you mean ledgers?"
