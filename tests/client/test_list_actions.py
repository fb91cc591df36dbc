"""jm archive, restore and delete-list."""

from __future__ import annotations

import pytest


@pytest.fixture
def name(client):
    """The name of a list with two jobs."""
    client.init([0, 10])
    client.set({1: {"jobcmd": "a"}, 2: {"jobcmd": "b"}})
    return client.progress().name


def test_archive_and_restore(run, client, name):
    assert run("archive") == (0, f"list {name} is archived\n", "")
    assert client.progress().archived
    code, out, err = run("cancel", "1", "--yes")
    assert (code, out) == (3, "")
    assert err == f"error: The list {name} is archived: restore it first. Nothing was changed.\n"
    assert run("restore") == (0, f"list {name} is restored\n", "")
    assert client.get(0).jobid == 1


def test_a_worker_of_an_archived_list_ends(run, client, name, caplog):
    client.archive_list()
    assert run("work", "0", "--", "true")[0] == 0
    assert "the list is archived: no worker gets its jobs until `jm restore`" in caplog.text


def test_a_list_in_use_needs_force(run, client, name):
    client.get(0)
    code, _, err = run("archive")
    assert code == 3
    assert err.startswith("error: 1 job is running.")
    assert run("archive", "--force")[0] == 0
    assert run("delete-list", name, "--yes")[0] == 3
    assert run("delete-list", name, "--yes", "--force") == (0, f"list {name} is deleted\n", "")


def test_without_a_terminal_a_deletion_needs_the_name_and_yes(run, client, name):
    needs = "needs LIST --yes"
    for words, reason in (
        ([], needs),
        ([name], needs),
        (["--yes"], "--yes needs the name of the list"),
        (["other", "--yes"], name),
    ):
        code, out, err = run("delete-list", *words)
        assert (code, out) == (2, ""), words
        assert reason in err
    assert client.progress().jobs == 2
    assert run("delete-list", name, "--yes") == (0, f"list {name} is deleted\n", "")
    code, _, err = run("watch")
    assert (code, err) == (3, "error: The list of this jobix was deleted. Choose a new jobix for a new list.\n")
    client.delete_list(name)  # as after a lost response


@pytest.mark.parametrize(("typed", "code"), [("yes", 1), ("", 1), (None, 0)])
def test_a_terminal_asks_for_the_name(terminal, client, name, typed, code):
    ended_with, output = terminal.run_in_a_pty("delete-list", typed=f"{name if typed is None else typed}\n")
    assert f"Delete list {name} with 2 jobs and their history? Type its name to confirm:" in output
    assert ended_with == code
