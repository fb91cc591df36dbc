"""The web pages, their data and their actions. They read with queries and change with operations; no SQL."""

from flask import Flask

from jobserver.pages import actions, live_data, routes, security, signin, template_filters


def register(app: Flask) -> None:
    """Adds the pages to the application."""
    parts = (routes, live_data, signin, actions)
    for part in parts:
        app.register_blueprint(part.blueprint)
    security.register(app, {part.blueprint.name for part in parts})
    signin.register(app)
    template_filters.register(app)
    live_data.register(app)
