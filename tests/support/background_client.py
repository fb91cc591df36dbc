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
        return self._send("GET", path, None, url, headers)

    def post(self, path: str, body: object, url: str = "") -> "Future[object]":
        """The same as a POST with a body of JSON."""
        return self._send("POST", path, json.dumps(body).encode(), url, {})

    def _send(self, method: str, path: str, body: bytes | None, url: str, headers: dict[str, str]) -> "Future[object]":
        connection = HTTPConnection((url or self._url).removeprefix("http://"), timeout=70)
        connection.request(method, path, body, headers={"jobix": str(self._jobix)} | headers)
        response = self._pool.submit(lambda: json.loads(connection.getresponse().read()))
        ApiClient(url or self._url, self._jobix)("/")
        return response
