"""Sign-in with a list's secret key (jobix). The right belongs to the list's id and is kept on the server."""

from datetime import timedelta

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response

from jobserver.core.errors import BadRequest, JobixUnknown, NotSignedIn
from jobserver.core.lists import JobList
from jobserver.jobs import access
from jobserver.pages import view
from jobserver.pages.security import return_path
from jobserver.web import parsing
from jobserver.web.errors import wants_html
from jobserver.web.request import Call, count_wrong, require_guess_allowed
from jobserver.web.services import services

blueprint = Blueprint("signin", __name__)
MAX_NAME = 40
SESSION_ID = "id"  # its key in the cookie


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookies; marked Secure if the page came over TLS."""

    def get_cookie_secure(self, _app: Flask) -> bool:
        """Returns whether browsers may send the cookie over TLS only."""
        return request.is_secure


def register(app: Flask) -> None:
    """Configures the session cookie. It holds a session id and the key of form tokens, nothing else."""
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="job_manager",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=access.SESSION_DAYS),
        SESSION_REFRESH_EACH_REQUEST=False,  # otherwise the response to a poll could overwrite a newer session
    )
    app.jinja_env.globals.update(person=person)


def person(job_list: JobList) -> str | None:
    """Returns the name of the person signed in to the list in this browser; None if not signed in."""
    session_id = session.get(SESSION_ID)
    if session_id is None:
        return None
    people: dict[int, str | None] = g.setdefault("people", {})
    if job_list.id not in people:
        people[job_list.id] = access.person(services().database, session_id, job_list)
    return people[job_list.id]


def require_person(job_list: JobList) -> str:
    """Returns the name of the person signed in to the list in this browser; raises NotSignedIn."""
    name = person(job_list)
    if name is None:
        raise NotSignedIn("Sign in with the secret key (jobix) of the list first.")
    return name


@blueprint.get("/signin")
def form() -> str:
    """The sign-in form."""
    return _form(view.job_list())


@blueprint.post("/signin")
def sign_in() -> Response | tuple[str, int]:
    """Signs in to one list."""
    job_list = view.job_list()
    try:
        _require_key(job_list)
    except JobixUnknown as error:
        if not wants_html():
            raise
        return _form(job_list, str(error)), 403
    name = _name()
    new_id = access.sign_in(services().commit_queue, session.get(SESSION_ID, ""), job_list, name)
    session.clear()
    session.permanent = True
    session[SESSION_ID] = new_id
    flash(f"Signed in as {name}.")
    here = url_for("pages.progress_page", list=job_list.name)
    return redirect(return_path(request.form.get("back", ""), here), 303)


@blueprint.post("/signout")
def sign_out() -> Response:
    """Signs out of every list; copies of the cookie lose their rights too."""
    access.sign_out(services().commit_queue, session.get(SESSION_ID, ""))
    session.clear()
    return redirect(url_for("pages.progress_page", list=request.form.get("list")), 303)


def _form(job_list: JobList, error: str = "") -> str:
    """Renders the form with the entered values, except the key."""
    return render_template("signin.html", job_list=job_list, error=error, values=request.values)


def _require_key(job_list: JobList) -> None:
    """Raises JobixUnknown unless the form holds the list's secret key."""
    call = Call(request.environ, services())
    require_guess_allowed(call)
    job_list_of_key = services().keys.find(parsing.jobix(request.form.get("jobix")))
    if job_list_of_key is None or job_list_of_key.id != job_list.id:
        count_wrong(call)
        raise JobixUnknown("Wrong key.")


def _name() -> str:
    name = " ".join(request.form.get("name", "").split()) or "somebody"
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadRequest(f"A name has at most {MAX_NAME} printable characters.")
    return name
