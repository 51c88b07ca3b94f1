"""`situs approvals`: whose word it was, and what it may be."""

import asyncio
import json
import os
import pwd
import time

import pytest
from click.testing import CliRunner
from tests.unit.stores.test_approvals import REQUEST, decision

from situs.cli.main import cli
from situs.errors import InvalidRequest
from situs.stores.approvals import ApprovalQueue, waiting


def situs(*arguments, data, code=0):
    called = CliRunner().invoke(cli, ["approvals", *arguments, "--data", str(data)])
    if called.exception is not None and not isinstance(called.exception, SystemExit):
        raise called.exception
    assert called.exit_code == code, called.output
    return called.output


def waited(data, *arguments):
    """What the request that waits is told, when a person says this."""

    async def story():
        queue = ApprovalQueue(data)
        task = asyncio.create_task(queue.word(REQUEST, decision(), 20.0))
        while not waiting(data, time.time()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(situs, *arguments, data=data)
        try:
            return await task
        finally:
            queue.close()

    return asyncio.run(story())


def test_the_list_of_all_says_whose_word_it_was_and_a_second_one_is_told(tmp_path):
    assert waited(tmp_path, "deny", REQUEST.id, "--by", "ada").by == "ada"
    assert "Nothing waits" in situs("list", data=tmp_path)
    [one] = json.loads(situs("list", "--all", "--json", data=tmp_path))
    assert (one["state"], one["decided_by"]) == ("denied", "ada")
    assert "ada" in situs("list", "--all", data=tmp_path)
    with pytest.raises(InvalidRequest, match="denied by ada at"):
        situs("approve", REQUEST.id, data=tmp_path)


def test_without_a_name_it_is_the_users(tmp_path):
    word = waited(tmp_path, "approve", REQUEST.id)
    assert (word.approved, word.by) == (True, pwd.getpwuid(os.getuid()).pw_name)


@pytest.mark.parametrize("by", ["", "two words", "a" * 65, "Ada\n"])
def test_a_text_is_no_name(tmp_path, by):
    assert "a name of letters" in situs("approve", "x", "--by", by, data=tmp_path, code=2)
