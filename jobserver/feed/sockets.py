"""The Socket.IO server. create_app() binds it if the server can hold connections open."""

import time

from flask import request
from flask_socketio import SocketIO

from jobserver.feed.live import Live

OPTIONS = {
    "transports": ["websocket"],  # without a WebSocket a page polls with an ETag, which occupies no thread
    "async_handlers": False,  # the messages of one page are handled in order
    "max_http_buffer_size": 10_000,  # bytes of a message from a page
    "manage_session": False,
}
PACE_S = 0.01  # between two messages of a page: reads of buffered messages never yield to the event loop

socketio = SocketIO()


def register(live: Live) -> None:
    """Connects the live feed to the events of pages."""

    def look(message: object = None, *_: object) -> None:
        time.sleep(PACE_S)
        live.look(_sid(), message)

    socketio.on_event("connect", lambda *_: live.connect(_sid(), request.remote_addr or ""))
    socketio.on_event("look", look)
    socketio.on_event("*", lambda *_: time.sleep(PACE_S))
    socketio.on_event("disconnect", lambda *_: live.leave(_sid()))


def _sid() -> str:
    sid: str = request.sid  # type: ignore[attr-defined]
    return sid
