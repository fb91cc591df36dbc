"""The web pages, their data and their actions. They read by queries and change by verbs; no SQL lives here."""

from flask import Flask

from jobserver.feed.sockets import socketio
from jobserver.pages import actions, download, live_data, routes, signin, template_filters


def register(app: Flask) -> None:
    """Adds the pages to the application."""
    for part in (routes, live_data, signin, actions, download):
        app.register_blueprint(part.blueprint)
    signin.prepare(app)
    template_filters.register(app)
    live_data.register(app, socketio)
