"""A client that sends requests in the background, each on a separate connection."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection

from tests.support.server import ApiClient

LONG_WAIT_S = 60
PROMPT_S = 10  # far below LONG_WAIT_S, far above what a loaded machine needs


class BackgroundClient:
    """Sends many concurrent requests, such as long polls."""

    def __init__(self, url, jobix):
        self._pool = ThreadPoolExecutor(32)
        self._url, self._jobix = url, jobix

    def send(self, path: str, url: str = "", **headers: str) -> "Future[object]":
        """Returns the future response. The server has the request when it has answered a later request."""
        connection = HTTPConnection((url or self._url).removeprefix("http://"), timeout=70)
        connection.request("GET", path, headers={"jobix": str(self._jobix)} | headers)
        response = self._pool.submit(lambda: json.loads(connection.getresponse().read()))
        ApiClient(url or self._url, self._jobix)("/")
        return response
