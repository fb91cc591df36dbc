"""Checks and replication with the client: the worker runs the check, compares results, and reports the verdict."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from client import BadTemplate, Done, JobClient, Worker
from client.worker.checking import make_validator

PY = sys.executable
NUMBERS = {"type": "object", "properties": {"x": {"type": "number", "minimum": 0}}, "required": ["x"]}
LONGER = "import sys; sys.exit(len(open(sys.argv[1]).read()) < 4)"  # passes from 4 characters on
NEAR = (
    "import json, sys; mine, other = [json.load(open(path)) for path in sys.argv[1:3]]; sys.exit(abs(mine - other) > 1)"
)


def once(client: JobClient, work, **options) -> None:
    """Does the jobs that are available now, with one attempt each."""
    Worker(client, 0, work, wait_s=0, **options).run()


def one_attempt(client: JobClient, **rules) -> None:
    """One job, which has one attempt in stage 1, with these rules."""
    client.set({1: {"jobcmd": 5}})
    client.lifetime(1, 60, max_attempts=1)
    client.rules(1, **rules)


def test_rules_are_set_shown_and_removed(client):
    check = {"command": ["validate", "{output}"]}
    client.set({1: {}})
    assert client.rules(1).check is None
    assert client.rules(1, check=check, replication={"results": 2}).check == check
    assert client.rules(1, check=None).replication == {"results": 2}
    assert client.rules(1).check is None


@pytest.mark.parametrize(
    ("text", "done"), [("long enough", True), ("bad", False)], ids=["passes", "fails"]
)  # fmt: skip
def test_a_command_checks_the_output_file(client, job_row, tmp_path: Path, text: str, done: bool):
    one_attempt(client, check={"command": [PY, "-c", LONGER, "{output}"]})

    def work(job):
        path = tmp_path / "out.txt"
        path.write_text(text)
        return Done(filename=path)

    once(client, work)
    row = job_row(1)
    assert row["jobstage"] == (2 if done else 1)
    if not done:
        assert (row["outcome"], row["condition"]) == ("failed", "invalid")
        assert "the check of the stage failed: exit code 1" in row["error"]


def test_a_declared_output_that_fails_the_check_is_not_published(client, job_row, tmp_path: Path):
    one_attempt(client, check={"command": [PY, "-c", LONGER, "{output}"]})
    once(client, lambda job: Path(job.output).write_text("bad") and None, outputs=[f"{tmp_path}/out.txt"])
    assert job_row(1)["condition"] == "invalid"
    assert list(tmp_path.iterdir()) == []


def test_the_result_is_a_file_for_the_command(client, job_row):
    one_attempt(client, check={"command": [PY, "-c", LONGER, "{result}"]})
    once(client, lambda job: "xxxx")
    assert job_row(1)["jobstage"] == 2


@pytest.mark.parametrize(
    ("result", "problem"),
    [({"x": 1}, None), ({"x": -1}, "$.x: -1 is less than the minimum of 0"), (None, "None is not of type 'object'")],
    ids=["fits", "wrong value", "missing"],
)
def test_a_schema_checks_the_result(client, job_row, result: object, problem: str | None):
    one_attempt(client, check={"schema": NUMBERS})
    once(client, lambda job: result)
    row = job_row(1)
    assert row["jobstage"] == (2 if problem is None else 1)
    if problem is not None:
        assert (row["condition"], problem in row["error"]) == ("invalid", True)


def test_a_missing_library_and_a_wrong_schema_are_explained(monkeypatch):
    with pytest.raises(BadTemplate, match=r"the JSON schema is wrong: \$\.type"):
        make_validator({"type": "nothing"})
    monkeypatch.setitem(sys.modules, "jsonschema.exceptions", None)
    with pytest.raises(BadTemplate, match=r"pip install jsonschema \(the extra `checks` of job_manager contains it\)"):
        make_validator(NUMBERS)


@pytest.mark.parametrize(
    ("size", "rule", "problem"),
    [
        (0, {"non_empty": True}, "has 0 bytes; the stage requires at least 1"),
        (3, {"min_bytes": 4}, "has 3 bytes; the stage requires at least 4"),
        (5, {"max_bytes": 4}, "has 5 bytes; the stage allows at most 4"),
        (4, {"non_empty": True, "min_bytes": 4, "max_bytes": 4}, None),
        (None, {"non_empty": True}, "cannot be read: No such file"),
    ],
)
def test_rules_for_output_files(client, job_row, tmp_path: Path, size: int | None, rule: dict, problem: str | None):
    one_attempt(client, check={"outputs": rule})
    path = tmp_path / "out"
    if size is not None:
        path.write_bytes(b"x" * size)
    once(client, lambda job: None, filename=str(path))
    row = job_row(1)
    assert row["jobstage"] == (2 if problem is None else 1)
    if problem is not None:
        assert (row["condition"], problem in row["error"]) == ("invalid", True)


def hosts(url: str, jobix: int, *names: str) -> list[JobClient]:
    """A client on each of these hosts."""
    return [JobClient(url, jobix, worker=f"{name}:1", retry_for_s=5) for name in names]


def test_two_hosts_confirm_a_result(client, url, jobix, job_row):
    one_attempt(client, replication={"results": 2})
    first, second = hosts(url, jobix, "a", "b")
    once(first, lambda job: {"x": job.jobcmd})
    assert (job_row(1)["jobstage"], job_row(1)["hold"]) == (0, "replication")
    once(first, lambda job: {"x": job.jobcmd})
    assert job_row(1)["jobstage"] == 0
    once(second, lambda job: {"x": job.jobcmd})
    assert json.loads(job_row(1)["result"]) == {"x": 5}
    assert job_row(1)["jobstage"] == 2


def test_a_command_compares_results_and_the_earliest_is_kept(client, url, jobix, job_row, tmp_path: Path):
    one_attempt(client, replication={"results": 2, "compare": [PY, "-c", NEAR, "{mine}", "{other}"]})

    def work(value: float):
        def write(job):
            Path(job.output).write_text(str(value))
            return value

        return write

    output = [f"{tmp_path}/out.txt"]
    for host, value in zip(hosts(url, jobix, "a", "b", "c"), (10.0, 50.0, 10.5), strict=True):
        once(host, work(value), outputs=output)
    row = job_row(1)
    assert (row["jobstage"], row["result"]) == (2, "10.0")
    assert not (tmp_path / "out.txt").exists()  # the worker with 10.5 did not publish its file
    stages = Worker(client, 2, lambda job: Path(job.outputs[0].path).read_text(), wait_s=0)
    client.lifetime(3, 60)
    stages.run()
    assert json.loads(job_row(1)["result"]) == "10.0"  # the worker of the next stage published the accepted file


def test_output_files_are_compared_by_their_content(client, url, jobix, job_row, tmp_path: Path):
    one_attempt(client, replication={"results": 2, "compare": "sha256"})
    for host in hosts(url, jobix, "a", "b"):
        once(host, lambda job: Path(job.output).write_text("same") and None, outputs=[f"{tmp_path}/out.txt"])
    assert job_row(1)["jobstage"] == 2
    assert (tmp_path / "out.txt").read_text() == "same"


def test_the_command_line_sets_and_shows_rules(run, client, tmp_path: Path):
    client.set({1: {}})
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(NUMBERS))
    assert run("stage", "1") == (0, "stage 1 has no rules\n", "")
    _code, out, _err = run(
        "stage", "1", "--check", "validate {output}", "--schema", str(schema), "--outputs-min-bytes", "9",
        "--replicate", "2", "--compare", "near {mine} {other}", "--no-trust",
    )  # fmt: skip
    shown = out.splitlines()
    assert shown[0] == "stage 1: check: validate {output}"
    assert shown[2] == "stage 1: output files: min_bytes 9"
    assert shown[3].endswith("2 hosts must agree, compared by near '{mine}' '{other}'; trusts no host")
    assert json.loads(run("stage", "1", "--json")[1])["replication"]["compare"] == ["near", "{mine}", "{other}"]
    assert run("stage", "1", "--no-rules")[1] == "stage 1 has no rules\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["stage", "2", "--outputs-non-empty"], "odd; 2 is even"),
        (["stage", "1", "--compare", "json"], "need --replicate N"),
        (["stage", "1", "--replicate", "1"], "at least 2"),
        (["stage", "1", "--schema", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_wrong_rules_are_refused_by_the_command_line(run, client, words: list[str], problem: str):
    client.set({1: {}})
    code, _out, err = run(*words)
    assert code != 0
    assert problem in err
    assert client.rules(1).check is client.rules(1).replication is None


def test_the_command_line_turns_the_setting_aside_of_hosts_on_and_off(run, client):
    client.init([0, 10])
    line = "stage 1: sets hosts aside whose jobs fail or end suspiciously fast\n"
    assert run("stage", "1", "--set-aside", "on") == (0, line, "")
    assert run("stage", "1", "--check", "true")[1] == "stage 1: check: true\n" + line
    assert client.rules(1).set_aside
    assert run("stage", "1", "--set-aside", "off")[1] == "stage 1: check: true\n"
    client.rules(1, set_aside=True)
    assert run("stage", "1", "--no-rules", "--check", "true")[1] == "stage 1: check: true\n"
    assert not client.rules(1).set_aside
    code, _, err = run("stage", "1", "--set-aside", "maybe")
    assert code == 2
    assert "--set-aside" in err
