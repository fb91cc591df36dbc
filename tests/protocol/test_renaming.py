"""A renamed list has the new name in all later responses."""

from tests.support.server import ApiClient


def test_responses_after_a_rename_have_the_new_name(api, shared, jobix):
    api("/set", {"1": {}})
    api("/get/0")
    old = api("/get").json()["list"]
    new = f"renamed-{jobix}"
    assert api(f"/init?name={new}").status_code == 200
    progress = api("/get").json()
    assert (progress["list"], progress["jobs"]) == (new, 1)
    assert api(progress["page"], Accept="text/html").status_code == 200
    assert api(f"/get?list={old}", Accept="text/html").status_code == 404
    other = ApiClient(shared.url, jobix ^ 1)
    assert other(f"/init?name={old}").status_code == 200  # it is free again
    assert (api("/get").json()["list"], other("/get").json()["list"]) == (new, old)
