"""A client that sends long polls, each on a separate connection."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection

from tests.support.server import Asker

FOREVER = 60
AT_ONCE_S = 10  # far below FOREVER, far above what a loaded machine needs


class Waiter:
    """Sends many concurrent requests with ?wait=."""

    def __init__(self, url, jobix):
        self._pool = ThreadPoolExecutor(32)
        self._url, self._jobix = url, jobix

    def ask(self, path: str, url: str = "", **headers: str) -> "Future[object]":
        """Returns the future response. The server has the request when it has answered a later request."""
        connection = HTTPConnection((url or self._url).removeprefix("http://"), timeout=70)
        connection.request("GET", path, headers={"jobix": str(self._jobix)} | headers)
        answer = self._pool.submit(lambda: json.loads(connection.getresponse().read()))
        Asker(url or self._url, self._jobix)("/")
        return answer
