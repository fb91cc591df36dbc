"""A list whose stage sets hosts aside, and the attempts of workers on twenty hosts."""

from typing import Any

import pytest

from tests.support.snapshot import opened

USUAL_MS = 60_000
HOSTS = [f"node{number}" for number in range(20)]
BAD = HOSTS[0]
OF_LIST = "list_id = (SELECT id FROM job_list WHERE name = ?)"


class Site:
    """A list whose stage 1 sets hosts aside, and its workers, one on each host."""

    def __init__(self, api, shared) -> None:
        self.api = api
        self.shared = shared
        api("/init/0/600/0")
        api("/lifetime/1/600?max_attempts=0")
        self.name = api("/get").json()["list"]
        self.ask_for_set_aside(True)

    def ask_for_set_aside(self, value: bool) -> None:
        response = self.api("/rules/1", {"set_aside": value})
        assert response.status_code == 200, response.text

    def add(self, jobids: range) -> None:
        self.api("/set", {str(jobid): {} for jobid in jobids})

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with opened(self.shared) as database:
            cursor = database.run(sql, *values)
            return list(cursor.fetchall()) if cursor.description else []

    def jobs(self) -> dict[int, dict[str, Any]]:
        with opened(self.shared) as database:
            return database.jobs(self.name)

    def claim(self, host: str, path: str = "/get/0") -> Any:
        response = self.api(path, worker=f"{host}:1")
        assert response.status_code == 200, response.text
        return None if response.json() == "nada" else response.json()

    def report(self, job: Any, ok: bool = True, took_ms: int = USUAL_MS) -> Any:
        """Ends a claim that began so long ago."""
        sql = f"UPDATE job SET claimed = claimed - ? WHERE {OF_LIST} AND jobid = ?"
        self.run(sql, took_ms, self.name, job["jobid"])
        body: dict[str, object] = {} if ok else {"error": "disk full"}
        response = self.api(f"/update_job/{job['jobid']}/{2 if ok else 0}", body, claim=job["claim"])
        assert response.status_code == 200, response.text
        return response.json()

    def fail(self, host: str, times: int) -> None:
        """Fails so many different jobs on a host. Other hosts do each of them before the next."""
        for _ in range(times):
            self.report(self.claim(host), ok=False)
            self.report(self.claim(HOSTS[-1]))

    def hear(self, hosts: list[str]) -> None:
        """Each of these hosts does a job."""
        for host in hosts:
            self.report(self.claim(host))

    def end_pause(self) -> None:
        """Makes the next canary due."""
        self.run(f"UPDATE host_record SET canary_at = 1 WHERE {OF_LIST}", self.name)

    def set_aside(self) -> dict[str, str]:
        """The hosts that are set aside, with the reasons."""
        sql = f"SELECT host, reason FROM host_record WHERE {OF_LIST} AND set_aside IS NOT NULL"
        return dict(self.run(sql, self.name))

    def events(self, kind: str) -> list[tuple[Any, ...]]:
        """The events of a kind: worker, actor and message."""
        sql = f"SELECT worker, actor, message FROM event WHERE {OF_LIST} AND kind = ? ORDER BY id"
        return self.run(sql, self.name, kind)


@pytest.fixture
def site(api, shared) -> Site:
    return Site(api, shared)


@pytest.fixture
def aside(site: Site) -> Site:
    """A site whose bad host is set aside, with many jobs left."""
    site.add(range(100))
    site.hear(HOSTS[1:6])
    site.fail(BAD, 3)
    assert list(site.set_aside()) == [BAD]
    return site
