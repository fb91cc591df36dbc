"""Tables for the pages: throughput, durations, workers, timeouts, paused lists, an index of a job's history."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throughput",
        *_stage(),
        sa.Column("span_s", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("busy_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "duration",
        *_stage(),
        sa.Column("bucket", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "worker",
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("first_heard", sa.BigInteger(), nullable=False),
        sa.Column("last_heard", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
    )
    op.create_index("worker_heard", "worker", ["list_id", "last_heard", "name"])
    op.add_column("stage_count", sa.Column("expired", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("job_list", sa.Column("paused", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("history_job", "history", ["job_id", "id"])
    where = sa.text("jobstage % 2 = 1")
    op.create_index("job_working", "job", ["list_id", "jobstage", "jobid"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("job_working", "job")
    op.drop_index("history_job", "history")
    op.drop_column("job_list", "paused")
    op.drop_column("stage_count", "expired")
    for name in ("worker", "duration", "throughput"):
        op.drop_table(name)


def _stage() -> list[sa.Column[int]]:
    return [
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("stage", sa.Integer(), primary_key=True, autoincrement=False),
    ]
