"""Socket.IO, unbound: create_app() binds it where the server can hold connections open."""

from flask_socketio import SocketIO

OPTIONS = {
    "transports": ["websocket"],  # a page without one polls, with an ETag and without holding a thread
    "async_handlers": False,  # the messages of one page are handled in order
    "max_http_buffer_size": 10_000,  # bytes of a message from a page
    "manage_session": False,
}

socketio = SocketIO()
