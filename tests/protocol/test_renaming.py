"""A renamed list has the new name in all later responses."""

from tests.support.server import Asker


def test_responses_after_a_rename_have_the_new_name(ask, shared, jobix):
    ask("/set", {"1": {}})
    ask("/get/0")
    old = ask("/get").json()["list"]
    new = f"renamed-{jobix}"
    assert ask(f"/init?name={new}").status_code == 200
    said = ask("/get").json()
    assert (said["list"], said["jobs"]) == (new, 1)
    assert ask(said["page"], Accept="text/html").status_code == 200
    assert ask(f"/get?list={old}", Accept="text/html").status_code == 404
    other = Asker(shared.url, jobix ^ 1)
    assert other(f"/init?name={old}").status_code == 200  # it is free again
    assert (ask("/get").json()["list"], other("/get").json()["list"]) == (new, old)
