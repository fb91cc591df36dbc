"""What pyproject.toml cannot state: which folder of the checkout becomes which package of the wheel."""

from setuptools import find_packages, setup

FOLDERS = {  # package in the wheel: folder in the checkout
    "jobserver": "jobserver",
    "job_manager_client": "client",
    "job_manager_wire": "job_manager_wire",
    "jobserver.migrations": "migrations",
    "jobserver.static": "static",
    "jobserver.templates": "templates",
}
CODE = ("jobserver", "job_manager_client", "jobserver.migrations")
LIBRARIES = "node_modules/*/dist"  # what npm installed; absent without npm, and the pages then poll

setup(
    package_dir=FOLDERS,
    packages=[
        *FOLDERS,
        "jobserver.migrations.versions",
        *(f"{package}.{name}" for package in CODE for name in find_packages(FOLDERS[package])),
    ],
    package_data={
        "": ["py.typed"],
        "jobserver.migrations": ["alembic.ini", "script.py.mako"],
        "jobserver.static": ["*.css", "*.js", "*.svg", "jm.pyz", f"{LIBRARIES}/*.min.js", f"{LIBRARIES}/*.min.css"],
        "jobserver.templates": ["*.html"],
    },
)
