"""The routes. Each parses, calls one verb, and answers."""

from flask import Flask

from jobserver.extensions import socketio
from jobserver.routes import actions, errors, live, pages, shown, signin, worker
from jobserver.routes.direct import Direct


def register(app: Flask) -> None:
    """Puts every route and error answer on the application."""
    for part in (worker, pages, live, signin, actions):
        app.register_blueprint(part.blueprint)
    signin.prepare(app)
    shown.register(app)
    live.register(app, socketio)
    errors.register(app)
    app.wsgi_app = Direct(app)  # type: ignore[method-assign]
