"""The tables of index.db, version by version."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

MIGRATIONS: tuple[Sequence[str], ...] = (
    (
        """CREATE TABLE positions (
            chain TEXT PRIMARY KEY, first INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            seq INTEGER NOT NULL, closed INTEGER NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE fleets (
            digest TEXT PRIMARY KEY, owned TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE decisions (
            id TEXT PRIMARY KEY, at REAL NOT NULL,
            chain TEXT NOT NULL, first INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            wire TEXT NOT NULL, asked TEXT NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL,
            label TEXT NOT NULL, task TEXT NOT NULL, route TEXT, objective TEXT NOT NULL,
            stream INTEGER NOT NULL, trace TEXT, allowed INTEGER NOT NULL, fleet TEXT NOT NULL,
            over_chain TEXT, over_first INTEGER, over_offset INTEGER, over_at REAL,
            deployment TEXT, locus TEXT, jurisdiction TEXT, "end" TEXT,
            status INTEGER, code TEXT
        ) WITHOUT ROWID""",
        "CREATE INDEX decisions_at ON decisions (at)",
        """CREATE TABLE ledger (
            id TEXT PRIMARY KEY, at REAL NOT NULL, hour INTEGER NOT NULL,
            chain TEXT NOT NULL, seq INTEGER NOT NULL,
            tenant TEXT NOT NULL, key TEXT NOT NULL, wire TEXT NOT NULL, route TEXT,
            label TEXT NOT NULL, task TEXT NOT NULL,
            model TEXT, deployment TEXT, locus TEXT, jurisdiction TEXT, owned INTEGER,
            attempts INTEGER NOT NULL, "end" TEXT, status INTEGER NOT NULL, code TEXT,
            prompt_tokens INTEGER, cached_prompt_tokens INTEGER, completion_tokens INTEGER,
            cost REAL, saved REAL, currency TEXT, energy_j REAL,
            bytes_out INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
            ttft_s REAL, overhead_s REAL NOT NULL, duration_s REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX ledger_hour ON ledger (hour)",
    ),
    (
        """CREATE TABLE judged (
            id TEXT NOT NULL, model TEXT NOT NULL, at REAL NOT NULL, key TEXT NOT NULL,
            kind TEXT NOT NULL, needs TEXT NOT NULL, confidence REAL NOT NULL,
            PRIMARY KEY (id, model)
        ) WITHOUT ROWID""",
        "CREATE INDEX judged_alike ON judged (model, kind, needs, at)",
    ),
    ("ALTER TABLE ledger ADD COLUMN counted INTEGER",),
)
"""What leads from each version to the next; the last one is what this Situs writes.

A step is never changed once it is released: files of its version exist.
"""

VERSION = len(MIGRATIONS)

JUDGED_SINCE = 2
"""The version with the table `judged`, for those who read a file that nobody has brought up yet."""

COUNTED_SINCE = 3
"""That with the column `counted` of the ledger: 1 where the tokens were not reported."""


class NewerVersion(Exception):
    """The file was written by a later version of Situs; the argument is its version."""


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring a database to the newest version, each step whole or not at all.

    Raises NewerVersion, and whatever SQLite raises.
    """
    while (version := version_of(connection)) != len(migrations):
        if version > len(migrations):
            raise NewerVersion(version)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) == version:
                for statement in migrations[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
