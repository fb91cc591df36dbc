"""The extensions, unbound: create_app() binds them. A leaf, so that nothing imports in circles."""

from flask_migrate import Migrate
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of every table."""


SOCKETIO = {
    "transports": ["websocket"],  # a page that can't have one polls, with an ETag and without holding a thread
    "async_handlers": False,  # a page's next word waits until the one before is dealt with
    "max_http_buffer_size": 10_000,  # bytes of a page's word
    "manage_session": False,
}

db = SQLAlchemy(model_class=Base)
migrate = Migrate()
socketio = SocketIO()
