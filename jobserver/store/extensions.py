"""The database extensions. create_app() binds them to the application."""

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of every table."""


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
