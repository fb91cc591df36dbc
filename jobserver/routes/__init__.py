"""The routes. Each parses, calls one verb, and answers."""

from flask import Flask

from jobserver.routes import errors, pages, worker


def register(app: Flask) -> None:
    """Puts every route and error answer on the application."""
    app.register_blueprint(worker.blueprint)
    app.register_blueprint(pages.blueprint)
    errors.register(app)
