"""Who has said something of an intent stands beside it: a queue is counted without looking up each row's verdicts."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Written by the trigger that lets a verdict in, which holds the intent's row anyway."""
    op.execute(
        """
        ALTER TABLE intents ADD COLUMN heard text[] NOT NULL DEFAULT '{}', ADD COLUMN heard_until timestamptz;
        UPDATE intents SET heard = said.people, heard_until = said.until FROM (
          SELECT digest, array_agg(DISTINCT approver) AS people, min(not_after) AS until FROM approvals GROUP BY digest
        ) AS said WHERE said.digest = intents.digest;
        CREATE OR REPLACE FUNCTION one_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          -- Two verdicts of one person at once: the second waits here for the first.
          PERFORM 1 FROM intents WHERE digest = NEW.digest FOR UPDATE;
          IF EXISTS (SELECT 1 FROM approvals WHERE digest = NEW.digest AND approver = NEW.approver
                     AND (verdict = 'reject' OR not_after >= NEW.given_at)) THEN
            RAISE EXCEPTION 'this person has a verdict that stands' USING ERRCODE = 'unique_violation';
          END IF;
          UPDATE intents SET heard = array_remove(heard, NEW.approver) || NEW.approver,
            heard_until = least(heard_until, NEW.not_after) WHERE digest = NEW.digest;
          RETURN NEW;
        END $$;
        """
    )
