"""The version of job_manager."""

__version__ = "0.1.0"
