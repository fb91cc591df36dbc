"""The host names at which the server may be reached."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from jobserver.core.errors import CannotStart

EVERY_HOST = "*"
LOCALHOST = "localhost"
_HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)
_NAME = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.IGNORECASE)


class AllowedHosts:
    """Allowed names; .example.org includes its subdomains. An IP address needs no DNS, so it is always allowed."""

    def __init__(self, names: Iterable[str]) -> None:
        lower = {name.lower() for name in names} | {LOCALHOST}
        self._every = EVERY_HOST in lower
        self._names = {name.removeprefix(".") for name in lower}
        self._parents = tuple(name for name in lower if name.startswith("."))
        self.allows = lru_cache(maxsize=1000)(self._allows)

    def _allows(self, header: str) -> bool:
        """Returns whether the value of a Host header is allowed."""
        parts = _HEADER.fullmatch(header)
        if self._every or parts is None:
            return self._every
        name = (parts[1] or parts[2]).lower().removesuffix(".")
        return name in self._names or is_address(name) or name.endswith(self._parents)


def split(setting: str) -> list[str]:
    """Splits the setting ALLOWED_HOSTS; CannotStart if an entry is not a host name."""
    names = [name.strip() for name in setting.split(",")]
    for name in names:
        if name != EVERY_HOST and not _NAME.fullmatch(name) and not is_address(name.strip("[]")):
            raise CannotStart(
                f"JOBSERVER_ALLOWED_HOSTS is wrong: {name[:80]!r} is not a host name. Give names without http:// and"
                " without ports, separated by commas, for example jobs.example.org,.cluster.example.org."
            )
    return names


def is_address(name: str) -> bool:
    """Returns whether a name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
