"""Who has said something of an intent stands beside it: a queue is counted without looking up each row's verdicts."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Written with each verdict: whoever gives one holds the intent's row anyway."""
    op.execute(
        """
        ALTER TABLE intents ADD COLUMN heard text[] NOT NULL DEFAULT '{}', ADD COLUMN heard_until timestamptz;
        UPDATE intents SET heard = said.people, heard_until = said.until FROM (
          SELECT digest, array_agg(DISTINCT approver) AS people, min(not_after) AS until FROM approvals GROUP BY digest
        ) AS said WHERE said.digest = intents.digest;
        CREATE FUNCTION note_heard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          UPDATE intents SET heard = array_remove(heard, NEW.approver) || NEW.approver,
            heard_until = least(heard_until, NEW.not_after) WHERE digest = NEW.digest;
          RETURN NULL;
        END $$;
        CREATE TRIGGER note_heard AFTER INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION note_heard();
        """
    )
