"""job_manager's server: hands out staged work to workers that know nothing but HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from jobserver.config import Settings

__version__ = "0.1.0"
__all__ = ["__version__", "app", "create_app"]


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application, wired: the only place where the parts meet. CannotStart says why not."""
    from flask import Flask

    from jobserver import concurrency, config, hosting, models, routes
    from jobserver.channel import Channel
    from jobserver.claims import Claims
    from jobserver.database import Database, engine_options
    from jobserver.duty import Duty
    from jobserver.events import Events
    from jobserver.expiring import Expiring
    from jobserver.extensions import SOCKETIO, db, migrate, socketio
    from jobserver.filesystems import refuse_unfit
    from jobserver.jobix import Keys
    from jobserver.live import Live
    from jobserver.schema import prepare
    from jobserver.secret_key import secret_key
    from jobserver.services import NAME, Services
    from jobserver.steering import Steering
    from jobserver.submitting import Submitting
    from jobserver.sweeper import Sweeper
    from jobserver.tidying import Tidying
    from jobserver.waiting import Waiting
    from jobserver.writer import Writer

    settings = settings or config.load()
    refuse_unfit(settings)
    key = secret_key(settings)
    prepare(settings, key)

    app = Flask(
        __name__,
        root_path=str(config.ROOT),
        instance_path=str(settings.instance_path),
        template_folder="templates",
        static_folder="static",
    )
    app.config.update(
        SECRET_KEY=key,
        SQLALCHEMY_DATABASE_URI=settings.uri,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"))
    if concurrency.serves():  # elsewhere, behind Apache for example, pages poll
        socketio.init_app(app, async_mode=concurrency.mode(), **SOCKETIO)
    with app.app_context():
        database = Database(db.engine, settings)

    assert models.Job.metadata is db.metadata
    waiting = Waiting(database, hosting.waiting_bound(settings.max_waiting))
    channel = Channel(settings.redis_url, key)
    writer = Writer(database, Events(waiting, channel).tell)
    keys = Keys(key, database)
    expiring = Expiring(writer, database)
    tidying = Tidying(writer, database, settings.history_days)
    app.extensions[NAME] = Services(
        settings=settings,
        database=database,
        writer=writer,
        waiting=waiting,
        keys=keys,
        claims=Claims(writer, waiting, settings.require_claim),
        submitting=Submitting(writer, keys),
        expiring=expiring,
        steering=Steering(writer, database),
        sweeper=Sweeper(Duty(database), expiring, tidying, settings.sweep_every_s),
        live=Live(socketio, database, channel),
    )
    routes.register(app)
    return app


def __getattr__(name: str) -> Any:
    """`from jobserver import app`, for WSGI: made on first use, so that importing the package does nothing."""
    if name == "app":
        from jobserver import config, hosting, logs
        from jobserver.services import NAME

        settings = config.load()
        logs.begin(settings)
        made = create_app(settings)
        if hosting.threads() is not None:
            hosting.at_end(made.extensions[NAME].drain)
            made.extensions[NAME].start()  # jobs expire also where nobody asks for anything
        globals()["app"] = made
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
