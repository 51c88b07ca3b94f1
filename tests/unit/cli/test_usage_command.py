"""`situs usage` on a data directory with answers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner
from tests.unit.stores.writing import indexed

from situs.cli.main import cli
from situs.stores.database import INDEX_FILE


def usage(data, *given):
    done = CliRunner().invoke(cli, ["usage", *given, "--data", str(data)], catch_exceptions=False)
    return done.stdout


@pytest.mark.parametrize(("saved", "told"), [(-3.3e-9, -3e-9), (-1e-12, 0.0), (1 / 3, 0.333333333)])
def test_money_is_rounded_to_nine_digits_and_zero_has_no_sign(tmp_path, saved, told):
    data = indexed(tmp_path / "data", 1)
    with closing(sqlite3.connect(data / INDEX_FILE)) as db, db:
        db.execute("UPDATE ledger SET currency = 'USD', cost = 0.5, saved = ?", (saved,))
    [row] = json.loads(usage(data, "--json"))
    assert str(row["saved"]["USD"]) == str(told)
    assert "-0.0000" not in usage(data)
    assert "-0.0" not in usage(data, "--csv")
