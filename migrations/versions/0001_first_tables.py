"""The first tables: lists, lifetimes, counters, jobs, the history of claims."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "fact",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "job_list",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("jobix_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "lifetime",
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("stage", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("lifetime_ms", sa.BigInteger(), nullable=False),
        sa.Column("requeue", sa.Integer()),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
    )
    op.create_table(
        "stage_count",
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("stage", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("flagged", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "job",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), nullable=False),
        sa.Column("jobid", sa.BigInteger(), nullable=False),
        sa.Column("jobstage", sa.Integer(), nullable=False),
        sa.Column("previous_stage", sa.Integer()),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("flag", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cancel", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("chosen", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("claim", sa.String(64)),
        sa.Column("ended_claim", sa.String(64)),
        sa.Column("worker", sa.Text()),
        sa.Column("claimed", sa.BigInteger()),
        sa.Column("datecommitted", sa.BigInteger(), nullable=False),
        sa.Column("renewed", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("filename", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("jobcmd", sa.Text(), nullable=False, server_default="null"),
        sa.UniqueConstraint("list_id", "jobid", name="job_known"),
    )
    _partial("job_available", ["list_id", "jobstage", sa.text("priority DESC"), "jobid"], "jobstage % 2 = 0")
    _partial("job_claimed", ["claim"], "claim IS NOT NULL")
    _partial("job_deadline", ["deadline"], "deadline IS NOT NULL AND flag <= 0")
    _partial("job_flagged", ["list_id", "jobstage", "jobid"], "flag > 0")
    op.create_table(
        "history",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("job_id", ROW_ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("claim", sa.String(64), nullable=False),
        sa.Column("from_stage", sa.Integer(), nullable=False),
        sa.Column("to_stage", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("started", sa.BigInteger()),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("error", sa.Text()),
    )
    op.create_index("history_claim", "history", ["claim", "job_id"])
    op.create_index("history_ended", "history", ["ended"])


def downgrade() -> None:
    for table in ("history", "job", "stage_count", "lifetime", "job_list", "fact"):
        op.drop_table(table)


def _partial(name: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, "job", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
