"""jm login, logout and context: the saved file, its permissions, and the order of precedence."""

from __future__ import annotations

import io
import json
import os
import stat

import pytest

from client import JobClient
from tests.client.conftest import write_secret


@pytest.fixture
def jm(run, monkeypatch, tmp_path):
    """Like `run`, without server and key in the environment, and with a new configuration folder."""
    monkeypatch.delenv("JOBSERVER_URL")
    monkeypatch.delenv("JOBSERVER_JOBIX")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return run


@pytest.fixture
def saved(jm, tmp_path, url, jobix, client):
    """The file of a context that `jm login` saved; the list exists."""
    client.init([0, 10])
    write_secret(tmp_path / "secret", jobix)
    assert jm("login", url, "--jobix-file", "secret")[0] == 0
    (tmp_path / "secret").unlink()
    return tmp_path / "config" / "job_manager" / "context.json"


def test_after_login_no_options_are_needed(jm, saved, url, jobix):
    assert json.loads(saved.read_text()) == {"url": url, "jobix": jobix, "ca_file": None}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    assert jm("lifetime", "1") == (0, "stage 1: 10 minutes, then back to stage 0, at most 5 attempts\n", "")


def test_login_reads_the_key_from_stdin_if_no_file_is_given(jm, monkeypatch, url, jobix, client):
    client.init([])
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{jobix}\n"))
    code, out, err = jm("login", url)
    assert (code, err) == (0, "")
    assert str(jobix) not in out
    assert jm("check")[0] == 0


def test_logout_deletes_what_login_saved(jm, saved):
    assert jm("logout") == (0, f"deleted {saved}\n", "")
    assert not saved.exists()
    code, _, err = jm("get", "0")
    assert (code, "no secret key (jobix) was given" in err) == (4, True)
    assert jm("logout") == (0, "nothing was saved\n", "")


def test_a_wrong_url_or_key_saves_nothing(jm, tmp_path, url):
    write_secret(tmp_path / "bad", "no number")
    write_secret(tmp_path / "good", 12345678)
    assert jm("login", url, "--jobix-file", "bad")[0] == 4
    assert jm("login", "http://127.0.0.1:9", "--jobix-file", "good", "--retry-for-s", "0")[0] == 5
    assert jm("login", "nowhere", "--jobix-file", "good")[0] == 2
    assert not (tmp_path / "config").exists()


def test_login_with_a_key_of_no_list_is_an_error_and_keeps_the_saved_key(jm, saved, tmp_path, url):
    before = saved.read_text()
    write_secret(tmp_path / "secret", 918273645546)
    code, out, err = jm("login", url, "--jobix-file", "secret")
    assert (code, out) == (4, "")
    assert err.startswith("error: this server has no list with this jobix.")
    assert saved.read_text() == before


@pytest.mark.parametrize("rest", ["/get", "/get/", "/get?list=first", "?list=first", "/lifetime?list=first#top"])
def test_the_address_of_a_page_is_an_error_that_names_the_part_to_remove(jm, tmp_path, url, jobix, rest):
    write_secret(tmp_path / "secret", jobix)
    code, out, err = jm("login", url + rest, "--jobix-file", "secret")
    assert (code, out, err) == (2, "", f"error: give the URL of the server, without {rest}\n")


def test_options_override_the_environment_and_it_the_saved_context(jm, saved, url, jobix, tmp_path, monkeypatch):
    def sources(*arguments: str) -> tuple[str, str]:
        used = json.loads(jm("context", "--json", *arguments)[1])
        assert str(jobix) not in str(used)
        return used["url_source"], used["jobix_source"]

    assert sources() == ("jm login", "jm login")
    write_secret(tmp_path / "of_environment", 1)
    monkeypatch.setenv("JOBSERVER_JOBIX_FILE", "of_environment")
    assert sources() == ("jm login", "JOBSERVER_JOBIX_FILE of_environment")
    monkeypatch.setenv("JOBSERVER_JOBIX", "2")
    monkeypatch.setenv("JOBSERVER_URL", url)
    assert sources() == ("JOBSERVER_URL", "JOBSERVER_JOBIX")
    write_secret(tmp_path / "of_option", 3)
    assert sources("--url", url, "--jobix-file", "of_option") == ("--url", "--jobix-file of_option")
    assert sources("--jobix", "4")[1] == "--jobix"


def test_a_saved_key_is_sent_only_to_the_server_that_it_was_saved_for(jm, saved, url, proxy):
    code, _, err = jm("get", "0", "--url", proxy.url)
    assert code == 4
    assert f"the key saved by jm login is for {url}" in err
    assert proxy.requests == []


def test_context_without_a_key_prints_none(jm):
    assert jm("context") == (0, "server:     http://127.0.0.1:5000 (the default)\nsecret key: none\n", "")


def test_context_prints_the_source_of_each_value(jm, saved, url, jobix, tmp_path):
    saved_by_login = f"server:     {url} (saved by jm login)\nsecret key: saved by jm login\n"
    assert jm("context") == (0, saved_by_login, "")
    write_secret(tmp_path / "secret", jobix)
    given = f"server:     {url} (from --url)\nsecret key: from --jobix-file secret\n"
    assert jm("context", "--url", url, "--jobix-file", "secret") == (0, given, "")


def test_a_password_in_the_url_is_not_shown(jm, saved, url, jobix, tmp_path):
    write_secret(tmp_path / "secret", jobix)
    secret_url = url.replace("//", "//user:pa55@")
    output = jm("login", secret_url, "--jobix-file", "secret")[1] + jm("context")[1] + jm("context", "--json")[1]
    assert "pa55" not in output


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"url": 5}', '{"url": "http://x", "jobix": "x"}', "[" * 9000])
def test_a_damaged_context_is_an_error_that_says_what_to_do(jm, saved, text):
    saved.write_text(text)
    code, out, err = jm("get", "0")
    assert (code in (2, 4), out) == (True, "")
    assert err.startswith(f"error: the saved context {saved} is damaged: run `jm logout`")
    assert jm("logout")[0] == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_or_change_is_refused(jm, saved, url, jobix, tmp_path, mode):
    write_secret(tmp_path / "secret", jobix)
    (tmp_path / "secret").chmod(mode)
    for arguments in (("get", "0", "--url", url, "--jobix-file", "secret"), ("login", url, "--jobix-file", "secret")):
        code, out, err = jm(*arguments)
        assert (code, out) == (4, "")
        assert err.endswith(f"in secret (mode {mode:o}): run chmod 600 secret\n")
    saved.chmod(mode)
    code, _, err = jm("get", "0")
    assert code == 4
    assert f"run chmod 600 {saved}" in err


def test_init_deletes_its_new_key_file_if_the_server_refuses(jm, tmp_path, url, monkeypatch):
    monkeypatch.setenv("JOBSERVER_URL", url)
    monkeypatch.setenv("JOBSERVER_JOBIX_FILE", "key")
    assert jm("init", "--name", f"first {tmp_path.name}"[:60])[0] == 0
    jobix = int((tmp_path / "key").read_text())
    assert JobClient(url, jobix).progress().name
    os.rename("key", "other")
    code, _, err = jm("init", "--name", f"first {tmp_path.name}"[:60])
    assert code == 3
    assert err.startswith("error: ")
    assert not (tmp_path / "key").exists()
