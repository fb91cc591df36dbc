"""The worker protocol (docs/protocol.md): the routes that masters and workers call. No SQL and no pages."""

from flask import Flask

from jobserver.api.founding import list_actions, operating, routes


def register(app: Flask) -> None:
    """Adds the routes to the application, and the fast path for the four most frequent ones."""
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(operating.blueprint)
    app.register_blueprint(list_actions.blueprint)
    app.wsgi_app = routes.FastPath(app)  # type: ignore[method-assign]
