"""Explicit columns for a job's state in place of the signed flag; one table of events in place of the history."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# The flag was 0 none, 1 overdue, 2 or 3 failed; negative: the value before the last change.
STATES = """UPDATE job SET
    phase = CASE WHEN claim IS NULL THEN 'none' ELSE 'accepted' END,
    overdue = CASE WHEN flag = 1 THEN 1 ELSE 0 END,
    outcome = CASE WHEN flag < 2 THEN 'none' WHEN error = 'cancelled' THEN 'cancelled' ELSE 'failed' END,
    condition = CASE WHEN flag < 2 THEN 'none' WHEN error = 'cancelled' THEN 'cancelled_by_user'
        WHEN error = 'expired' THEN 'timeout' WHEN error LIKE 'failed by %' THEN 'failed_by_user' ELSE 'error' END
    WHERE claim IS NOT NULL OR flag > 0"""
# An empty claim marked an action of a person, whose name is in the column worker.
EVENTS = """INSERT INTO event
    (list_id, job_id, kind, from_stage, to_stage, at, started, claim, worker, actor, jobs, message)
    SELECT job.list_id, history.job_id,
        CASE history.outcome WHEN 'done' THEN 'completed' WHEN 'back' THEN 'released' WHEN 'expired' THEN 'requeued'
            WHEN 'sent back' THEN 'requeued' ELSE history.outcome END,
        history.from_stage, history.to_stage, history.ended, history.started,
        CASE WHEN history.claim <> '' THEN history.claim END, CASE WHEN history.claim <> '' THEN history.worker END,
        CASE WHEN history.claim = '' THEN history.worker END, 1,
        CASE WHEN history.outcome = 'expired' THEN 'expired' ELSE history.error END
    FROM history JOIN job ON job.id = history.job_id ORDER BY history.id"""


def upgrade() -> None:
    op.create_table(
        "metadata",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.execute("INSERT INTO metadata (name, value) SELECT name, value FROM fact")
    op.drop_table("fact")
    for name in ("job_deadline", "job_flagged"):
        op.drop_index(name, "job")
    for name in ("hold", "phase", "outcome", "condition", "previous_outcome"):
        op.add_column("job", sa.Column(name, sa.String(20), nullable=False, server_default="none"))
    for name in ("overdue", "previous_overdue"):
        op.add_column("job", sa.Column(name, sa.SmallInteger(), nullable=False, server_default="0"))
    op.execute("ALTER TABLE job RENAME COLUMN chosen TO client_token")
    op.execute("ALTER TABLE job RENAME COLUMN ended_claim TO previous_claim")
    op.execute(STATES)
    op.drop_column("job", "flag")
    _partial("job_deadline", ["deadline"], "deadline IS NOT NULL AND overdue = 0 AND outcome = 'none'")
    _partial("job_flagged", ["list_id", "jobstage", "jobid"], "(overdue = 1 OR outcome <> 'none')")
    op.create_table(
        "event",
        sa.Column("id", ROW_ID, primary_key=True),
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), nullable=False),
        sa.Column("job_id", ROW_ID, sa.ForeignKey("job.id")),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("from_stage", sa.Integer()),
        sa.Column("to_stage", sa.Integer()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger()),
        sa.Column("claim", sa.String(64)),
        sa.Column("worker", sa.Text()),
        sa.Column("actor", sa.Text()),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text()),
    )
    op.execute(EVENTS)
    _partial("event_claim", ["claim", "job_id"], "claim IS NOT NULL", "event")
    op.create_index("event_job", "event", ["job_id", "id"])
    op.drop_table("history")


def downgrade() -> None:
    raise RuntimeError("restore the backup that was made before the upgrade")


def _partial(name: str, columns: list[str], where: str, table: str = "job") -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
