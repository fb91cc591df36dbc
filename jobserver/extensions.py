"""The extensions, unbound: create_app() binds them. A leaf, so that nothing imports in circles."""

from flask_migrate import Migrate
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of every table."""


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
socketio = SocketIO()
