"""Page sessions in the database, so that the server can end them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "page_session",
        sa.Column("id_hash", sa.String(64), primary_key=True),
        sa.Column("list_id", sa.Integer(), sa.ForeignKey("job_list.id"), primary_key=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )
    op.create_index("page_session_expires", "page_session", ["expires"])


def downgrade() -> None:
    op.drop_table("page_session")
