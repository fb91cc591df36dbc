"""job_manager's server: dispatches staged work to workers over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobserver.core.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from jobserver.core.settings import Settings

__all__ = ["__version__", "app", "create_app"]


def create_app(settings: Settings | None = None) -> Flask:
    """Creates and wires the WSGI application. Raises CannotStart with the reason if it cannot serve."""
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from jobserver import pages
    from jobserver.api import founding
    from jobserver.core import concurrency
    from jobserver.core.resources import RESOURCES, resource
    from jobserver.feed.events import Publisher
    from jobserver.feed.heartbeat_waits import HeartbeatWaits
    from jobserver.feed.live import SOCKETIO_OPTIONS, Live, socketio
    from jobserver.feed.long_poll import LongPolls
    from jobserver.feed.waiting_limit import WaitingLimit
    from jobserver.jobs.access import Keys
    from jobserver.jobs.claims import Claims
    from jobserver.jobs.expiry import Expiry, Retention
    from jobserver.jobs.list_keeper import ListKeeper
    from jobserver.jobs.lists import Lists
    from jobserver.jobs.operator import Operator
    from jobserver.jobs.outages import Outages
    from jobserver.jobs.set_aside import HostCare
    from jobserver.server import hosting
    from jobserver.server.settings import key_file, load, secret_key
    from jobserver.server.sweeper import Sweeper
    from jobserver.store.database import Database, Leader, engine_options
    from jobserver.store.database_file import make_file, open_for_service
    from jobserver.store.extensions import db, migrate
    from jobserver.store.group_commit import CommitQueue
    from jobserver.store.location import database_uri, refuse_unfit
    from jobserver.store.schema import prepare
    from jobserver.web import errors
    from jobserver.web.request import HostGuard, allowed_hosts
    from jobserver.web.services import NAME, Services

    settings = settings or load()
    refuse_unfit(settings)
    make_file(settings, key_file(settings))
    lock = open_for_service(settings)
    key = secret_key(settings)
    prepare(settings, key)

    app = Flask(
        __name__,
        root_path=str(RESOURCES),
        instance_path=str(settings.instance_path),
        template_folder="templates",
        static_folder="static",
    )
    app.config.update(
        SECRET_KEY=key,
        SQLALCHEMY_DATABASE_URI=database_uri(settings),
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(resource("migrations")))
    if concurrency.is_own_server():  # otherwise, for example behind Apache, pages poll
        socketio.init_app(app, async_mode=concurrency.mode(), **SOCKETIO_OPTIONS)
    with app.app_context():
        database = Database(db.engine, settings)

    limit = WaitingLimit(hosting.waiting_bound(settings.max_waiting))
    long_polls, heartbeat_waits = LongPolls(database, limit), HeartbeatWaits(database, limit)
    publisher = Publisher(long_polls, heartbeat_waits)
    commit_queue = CommitQueue(database, publisher.publish, settings.busy_timeout_s)
    keys = Keys(key, database)
    outages = Outages(commit_queue, database, settings.sweep_every_s, settings.grace_minutes)
    expiry = Expiry(commit_queue, database, outages)
    retention = Retention(commit_queue, database, settings.history_days)
    app.extensions[NAME] = Services(
        settings=settings,
        database=database,
        commit_queue=commit_queue,
        long_polls=long_polls,
        heartbeat_waits=heartbeat_waits,
        keys=keys,
        claims=Claims(commit_queue, settings.require_claim),
        lists=Lists(commit_queue, keys),
        expiry=expiry,
        list_keeper=ListKeeper(commit_queue, database, keys),
        operator=Operator(commit_queue, database),
        host_care=HostCare(commit_queue, database),
        sweeper=Sweeper(Leader(database), keys, expiry, retention, settings.sweep_every_s),
        live=Live(socketio, database),
    )
    errors.register(app)
    founding.register(app)
    pages.register(app)
    if settings.proxies:  # not X-Forwarded-Host: a script on a page could set it
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=0
        )
    app.extensions["jobserver.lock"] = lock  # held as long as the application
    hosts = allowed_hosts(settings, concurrency.is_own_server())
    app.wsgi_app = HostGuard(app.wsgi_app, hosts)  # type: ignore[method-assign]
    return app


def __getattr__(name: str) -> Any:
    """`from jobserver import app`, for WSGI: created on first use, so that an import of the package has no effect."""
    if name == "app":
        from jobserver.server import hosting
        from jobserver.server.settings import load
        from jobserver.web.services import NAME

        settings = load()
        hosting.configure_log(settings)
        created = create_app(settings)
        if hosting.threads() is not None:
            hosting.at_end(created.extensions[NAME].drain)
            created.extensions[NAME].start()  # jobs expire even without requests
        globals()["app"] = created
        return created
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
