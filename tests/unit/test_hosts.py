"""Which values of the Host header are allowed."""

import pytest

from jobserver.core.errors import CannotStart
from jobserver.core.hosts import AllowedHosts, split

ADDRESSES = ["127.0.0.1", "127.0.0.1:5000", "[::1]", "[::1]:5000", "10.1.2.3:80", "localhost", "LocalHost:5000"]
MALFORMED = [
    "",
    " ",
    "a.org@127.0.0.1",
    "127.0.0.1/a.org",
    "127.0.0.1:",
    "[::1",
    "127.0.0.1:5000,a.org",
    "a.org b",
    "1.2",
]


@pytest.mark.parametrize("header", [*ADDRESSES, "a.org", "A.ORG:8000", "a.org.", "b.org", "x.y.b.org", "job_server"])
def test_names_of_the_setting_and_addresses_are_allowed(header: str) -> None:
    assert AllowedHosts(split("a.org, .b.org,job_server")).allows(header)


@pytest.mark.parametrize("header", [*MALFORMED, "evil.example", "xa.org", "x.a.org", "a.org.evil.example", "xb.org"])
def test_other_names_and_malformed_ones_are_not_allowed(header: str) -> None:
    assert not AllowedHosts(split("a.org, .b.org,job_server")).allows(header)


def test_an_asterisk_allows_every_host() -> None:
    assert AllowedHosts(split("*")).allows("evil.example")


@pytest.mark.parametrize("setting", ["http://a.org", "a.org:80", "a.org,", "a b", "*.a.org", "a.org/"])
def test_a_setting_that_is_not_a_list_of_names_is_refused(setting: str) -> None:
    with pytest.raises(CannotStart, match="JOBSERVER_ALLOWED_HOSTS"):
        split(setting)
