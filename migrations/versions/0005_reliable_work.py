"""Leases, names, declared outputs, pauses between attempts, stage rules, late results, replicas and host records."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("content", "failing_since", "lease_ms", "lifetime_end"):
        op.add_column("job", sa.Column(name, sa.BigInteger()))
    for name in ("name", "outputs"):
        op.add_column("job", sa.Column(name, sa.Text()))
    for name in ("backoff_ms", "retry_for_ms"):
        op.add_column("lifetime", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("lifetime", sa.Column("rules", sa.Text()))
    op.add_column("stage_count", sa.Column("cancelled", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("""UPDATE stage_count SET cancelled = (SELECT COUNT(*) FROM job WHERE job.list_id = stage_count.list_id
        AND jobstage = stage AND outcome = 'cancelled')""")
    for name in ("archived", "deleted"):
        op.add_column("job_list", sa.Column(name, sa.SmallInteger(), nullable=False, server_default="0"))
    _partial("job_named", ["list_id", "name"], "name IS NOT NULL", unique=True)
    op.drop_index("job_available", "job")
    _partial(
        "job_available",
        ["list_id", "jobstage", sa.text("priority DESC"), "jobid"],
        "jobstage % 2 = 0 AND hold = 'none'",
    )
    _partial("job_replicating", ["list_id", "jobstage", sa.text("priority DESC"), "jobid"], "hold = 'replication'")
    op.create_table(
        "late_result",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("job_id", ROW_ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("claim", sa.String(64), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.Text()),
        sa.Column("outputs", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.UniqueConstraint("job_id", "claim", name="late_result_of_claim"),
    )
    op.create_table(
        "replica",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("job_id", ROW_ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("claim", sa.String(64), nullable=False),
        sa.Column("same_as", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.Text()),
        sa.Column("outputs", sa.Text()),
        sa.Column("jobcmd", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.UniqueConstraint("job_id", "stage", "host", name="replica_of_host"),
    )
    op.create_table(
        "host_record",
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("stage", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("host", sa.Text(), primary_key=True),
        *(
            sa.Column(name, sa.Integer(), nullable=False, server_default="0")
            for name in ("agreed", "disagreed", "fast", "canaries")
        ),
        sa.Column("failed_jobs", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("last_heard", sa.BigInteger(), nullable=False),
        sa.Column("set_aside", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("canary_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("canary", sa.String(64)),
        sa.Column("kept", sa.BigInteger()),
    )


def downgrade() -> None:
    raise RuntimeError("restore the backup that was made before the upgrade")


def _partial(name: str, columns: list[str | sa.TextClause], where: str, unique: bool = False) -> None:
    op.create_index(name, "job", columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
