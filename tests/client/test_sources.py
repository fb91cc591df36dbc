"""Files of jobs, as `set` reads them."""

from __future__ import annotations

import json
import os

import pytest

from client import BadSource
from client.cli.sources import from_files, from_path


@pytest.fixture
def read(tmp_path):
    """Writes a file and reads it as jobs."""

    def write_and_read(name: str, text: str | bytes):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return list(from_path(str(tmp_path / name)))

    return write_and_read


def test_json_as_the_protocol_has_it(read):
    text = '{"3": {"jobcmd": "a", "priority": 2}, "9223372036854775807": {}}'
    assert read("jobs.json", text) == [(3, {"jobcmd": "a", "priority": 2}), (2**63 - 1, {})]


def test_an_item_of_a_json_list_has_no_id(read):
    assert read("jobs.json", '["a", 5, null, {"file": 1}]') == [
        {"jobcmd": "a"},
        {"jobcmd": 5},
        {"jobcmd": None},
        {"jobcmd": {"file": 1}},
    ]


def test_items_with_a_jobcmd_are_jobs_and_others_are_the_jobcmd(read):
    lines = '{"jobcmd": {"x": 1}, "priority": 2, "jobstage": 2}\n\n{"jobcmd": "rm", "host": "a"}\n'
    assert read("jobs.jsonl", lines) == [
        {"jobcmd": {"x": 1}, "priority": 2, "jobstage": 2},
        {"jobcmd": {"jobcmd": "rm", "host": "a"}},
    ]


@pytest.mark.parametrize("name", ["id", "jobid"])
def test_an_id_of_an_item_is_the_id_of_the_job(read, name):
    assert read("jobs.ndjson", json.dumps({name: 7, "file": "a"})) == [(7, {"jobcmd": {name: 7, "file": "a"}})]
    assert read("jobs.csv", f"{name},file\n7,a\n") == [(7, {"jobcmd": {name: "7", "file": "a"}})]


@pytest.mark.parametrize("key", ["id", "jobid", "name"])
def test_a_text_as_id_or_name_is_the_name_of_the_job(read, key):
    named = [{"name": "ngc1234", "jobcmd": {key: "ngc1234", "file": "a"}}]
    assert read("jobs.ndjson", json.dumps({key: "ngc1234", "file": "a"})) == named
    assert read("jobs.csv", f"{key},file\nngc1234,a\n") == named
    assert read("jobs.jsonl", json.dumps({key: "ngc1234", "jobcmd": 5})) == [{"name": "ngc1234", "jobcmd": 5}]


def test_the_keys_of_a_json_object_may_be_names(read):
    assert read("jobs.json", '{"ngc1234": {"jobcmd": 1}, "m31": {}}') == [
        {"name": "ngc1234", "jobcmd": 1},
        {"name": "m31"},
    ]
    assert read("jobs.json", '{"7": {"name": "m31"}}') == [(7, {"name": "m31"})]


def test_csv_rows_are_objects_of_text(read):
    text = '\ufefffile,ra\r\n"a,b.fits",1.50\r\n"line\nbreak",2\r\n'
    assert read("jobs.CSV", text) == [
        {"jobcmd": {"file": "a,b.fits", "ra": "1.50"}},
        {"jobcmd": {"file": "line\nbreak", "ra": "2"}},
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("jobs.txt", "", "must end in"),
        ("jobs.json", "[1, 2", "is not JSON"),
        ("jobs.json", "[NaN]", "NaN is not"),
        ("jobs.json", '{"1": {}, "a": {}}', "key 'a': give either all jobs"),
        ("jobs.json", '{"a": {"name": "b"}}', "key 'a': the name is 'b', so the jobid must be a whole number"),
        ("jobs.json", '{"": {}}', "a name must be a text of 1 to 200"),
        ("jobs.jsonl", '{"name": 5}', "line 1: a name must be a text of 1 to 200 .* not 5"),
        ("jobs.jsonl", '{"name": "a", "id": "b"}', "line 1: the name is 'a', so the jobid must be"),
        ("jobs.jsonl", '{"id": 7}\n{"id": "ngc7"}', "line 2: give either all jobs"),
        ("jobs.json", '{"1": 5}', "job '1' must be an object"),
        ("jobs.json", "5", "must hold a list"),
        ("jobs.json", "[" * 100_000, "is not JSON"),
        ("jobs.jsonl", '{"id": 1}\n{"id": 2}\n{"file": 3}\n', "line 3: give either all jobs"),
        ("jobs.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("jobs.jsonl", '{"id": -1}', "from 0 to 2"),
        ("jobs.jsonl", '{"id": 1.5}', "whole number, not 1.5"),
        ("jobs.jsonl", '{"id": true}', "whole number, not True"),
        ("jobs.jsonl", '{"jobcmd": 1, "priority": "high"}', "priority must be a whole number"),
        ("jobs.csv", "a,b\n1,2\n3\n", "line 3: each line needs as many values"),
        ("jobs.csv", "a,b\n1,2,3\n", "line 2: each line needs as many values"),
        ("jobs.csv", 'a\nb\n"open\nc\nd\n', "line 3: .*is a quote not closed"),
        ("jobs.csv", 'a,b\n"two\nlines",2\n"three\nlines"\n', "line 4: each line needs as many values"),
        ("jobs.csv", "a,b,a\n1,2,3\n", "line 1: the name 'a' occurs twice"),
        ("jobs.csv", "id\n-7\n", "line 2: the jobid must be from 0"),
        ("jobs.csv", "id\n7\nx\n", "line 3: give either all jobs"),
        ("jobs.csv", "name,file\n,a\n", "line 2: a name must be a text"),
        ("jobs.csv", b"a\n\xff\n", "is not UTF-8"),
    ],
)
def test_an_unreadable_entry_is_reported_with_file_and_line(read, name, text, expected):
    with pytest.raises(BadSource, match=expected):
        read(name, text)


def test_a_missing_file_is_an_error():
    with pytest.raises(BadSource, match="No such file"):
        list(from_path("nowhere.csv"))


def test_lines_are_read_lazily(tmp_path):
    path = tmp_path / "jobs.jsonl"
    path.write_text('"first"\nbroken\n')
    jobs = from_path(str(path))
    assert next(jobs) == {"jobcmd": "first"}
    with pytest.raises(BadSource, match="line 2"):
        next(jobs)


def test_files_become_jobs_in_the_order_of_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "sub.fits").mkdir(parents=True)
    for name in ("b.fits", "a.fits", "c.txt", "sub.fits/d.fits"):
        (tmp_path / "data" / name).touch()
    assert from_files("data/*.fits") == [
        {"name": "data/a.fits", "jobcmd": {"file": "data/a.fits"}},
        {"name": "data/b.fits", "jobcmd": {"file": "data/b.fits"}},
    ]
    assert len(from_files("data/**/*.fits")) == 3
    assert from_files(f"{'./' * 100}data/a.fits")[0]["name"] is None  # too long: the client makes one from the jobcmd
    with pytest.raises(BadSource, match="no file matches"):
        from_files("nothing/*")


def test_a_file_name_that_json_cannot_express_is_refused(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.fits", "w"):
        pass
    with pytest.raises(BadSource, match="is not printable UTF-8"):
        from_files(f"{tmp_path}/*")
