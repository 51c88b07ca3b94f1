import pytest

from situs.app.haste import FROM, UNTIL, Haste


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], False),
        ([FROM - 0.01], False),
        ([FROM], True),
        ([FROM, UNTIL], True),
        ([FROM, UNTIL - 0.01], False),
        ([FROM, UNTIL - 0.01, FROM - 0.01], False),
    ],
)
def test_haste_begins_where_a_core_is_full_and_ends_where_there_is_room_for_the_heads(
    told, expected
):
    haste = Haste()
    for busy in told:
        haste.tell(busy)
    assert haste() is expected
