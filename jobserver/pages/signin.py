"""Who may steer a list from a page: whoever signed in with its jobix. The session keeps the list, never the secret."""

import secrets
from datetime import timedelta
from hmac import compare_digest

from flask import Blueprint, Flask, flash, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response

from jobserver.core.errors import BadRequest, CsrfMismatch, JobixUnknown, NotSignedIn
from jobserver.core.lists import JobList
from jobserver.pages import page_query
from jobserver.web import auth, parsing
from jobserver.web.request import Call
from jobserver.web.services import services

blueprint = Blueprint("signin", __name__)
MAX_NAME = 40
DAYS = 7


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookies; only over TLS where the page came over TLS."""

    def get_cookie_secure(self, _app: Flask) -> bool:
        """Whether the cookie is for TLS alone."""
        return request.is_secure


def prepare(app: Flask) -> None:
    """How the sessions are kept."""
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="job_manager",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=DAYS),
        SESSION_REFRESH_EACH_REQUEST=False,  # else an answer for the tables undoes what a form did meanwhile
    )
    app.jinja_env.globals.update(person=person, csrf=csrf)


def person(name: str) -> str | None:
    """Who is signed in to the list of that name, by the name given then; None: nobody."""
    found: str | None = session.get("lists", {}).get(name)
    return found


def csrf() -> str:
    """What a form must bring back, so that no other site can send it."""
    token: str = session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


def require_person(job_list: JobList) -> str:
    """Who is signed in, for a form that was sent; NotSignedIn or CsrfMismatch."""
    found = person(job_list.name)
    if found is None:
        raise NotSignedIn("Sign in with the list's jobix first.")
    require_csrf()
    return found


def require_csrf() -> None:
    """CsrfMismatch unless the form is one of ours."""
    kept = session.get("csrf")
    if not kept or not compare_digest(kept.encode(), request.form.get("csrf", "").encode()):
        raise CsrfMismatch("This form is too old, or not from this page. Load the page again.")


@blueprint.get("/signin")
def ask() -> str:
    """The form."""
    return render_template("signin.html", job_list=page_query.job_list())


@blueprint.post("/signin")
def sign_in() -> Response:
    """Signs in to one list."""
    job_list = page_query.job_list()
    require_csrf()
    call = Call(request.environ, services())
    auth.require_patience(call)
    name = " ".join(request.form.get("name", "").split()) or "somebody"
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadRequest(f"A name is at most {MAX_NAME} printable characters.")
    found = services().keys.find(parsing.jobix(request.form.get("jobix")))
    if found is None or found.id != job_list.id:
        auth.count_wrong(call)
        raise JobixUnknown(f"This is not the jobix of {job_list.name}.")
    kept = dict(session.get("lists", {}))
    session.clear()
    session.permanent = True
    session["lists"] = kept | {job_list.name: name}
    csrf()
    flash(f"Signed in as {name}.")
    return redirect(url_for("pages.progress_page", list=job_list.name), 303)


@blueprint.post("/signout")
def sign_out() -> Response:
    """Signs out of every list."""
    require_csrf()
    session.clear()
    return redirect(url_for("pages.progress_page", list=request.form.get("list")), 303)
