"""Passkeys: questions, counters, locks and candidates; verdicts by passkey; fresh verdicts after expired ones."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A passkey answers one question once, and a person has one verdict on an intent that has not expired."""
    op.execute(
        """
        CREATE TABLE challenges (
          challenge text CONSTRAINT pk_challenges PRIMARY KEY,
          purpose text NOT NULL,
          operator text NOT NULL,
          document jsonb NOT NULL,
          asked_at timestamptz NOT NULL,
          expires_at timestamptz NOT NULL,
          used_at timestamptz,
          CONSTRAINT ck_challenges_purpose CHECK (purpose IN ('approval', 'enrolment'))
        );
        CREATE INDEX ix_challenges_operator_expires_at ON challenges (operator, expires_at);

        CREATE TABLE credentials (
          id text CONSTRAINT pk_credentials PRIMARY KEY,
          operator text NOT NULL,
          sign_count bigint NOT NULL,
          used_at timestamptz,
          locked_at timestamptz
        );
        CREATE FUNCTION keep_credential() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.sign_count < OLD.sign_count OR (OLD.locked_at IS NOT NULL AND NEW.locked_at IS NULL) THEN
            RAISE EXCEPTION 'a counter never goes back and a lock never opens' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_credential BEFORE UPDATE ON credentials
          FOR EACH ROW EXECUTE FUNCTION keep_credential();

        CREATE TABLE credential_candidates (
          id text CONSTRAINT pk_credential_candidates PRIMARY KEY,
          operator text NOT NULL,
          public_key text NOT NULL,
          sign_count bigint NOT NULL,
          registered_at timestamptz NOT NULL
        );

        CREATE TABLE console_sign_ins (
          token_hash text CONSTRAINT pk_console_sign_ins PRIMARY KEY,
          operator text NOT NULL,
          opened_at timestamptz NOT NULL,
          expires_at timestamptz NOT NULL,
          closed_at timestamptz
        );

        CREATE INDEX ix_intents_delayed ON intents (not_before)
          WHERE state = 'approved' AND not_before > decided_at;
        ALTER TABLE approvals ADD COLUMN not_after timestamptz;
        ALTER TABLE approvals ADD COLUMN credential text;
        ALTER TABLE approvals ADD COLUMN challenge text;
        ALTER TABLE approvals DISABLE TRIGGER append_only;
        UPDATE approvals SET not_after = (document #>> '{statement,not_after}')::timestamptz;
        ALTER TABLE approvals ENABLE TRIGGER append_only;
        ALTER TABLE approvals ALTER COLUMN not_after SET NOT NULL;
        ALTER TABLE approvals ADD CONSTRAINT uq_approvals_credential_challenge UNIQUE (credential, challenge);
        ALTER TABLE approvals ADD CONSTRAINT ck_approvals_passkey
          CHECK ((credential IS NULL) = (challenge IS NULL));
        ALTER TABLE approvals DROP CONSTRAINT uq_approvals_digest_approver;
        CREATE INDEX ix_approvals_digest_approver ON approvals (digest, approver);
        CREATE FUNCTION one_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          -- Two verdicts of one person at once: the second waits here for the first.
          PERFORM 1 FROM intents WHERE digest = NEW.digest FOR UPDATE;
          IF EXISTS (SELECT 1 FROM approvals WHERE digest = NEW.digest AND approver = NEW.approver
                     AND (verdict = 'reject' OR not_after >= NEW.given_at)) THEN
            RAISE EXCEPTION 'this person has a verdict that stands' USING ERRCODE = 'unique_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER one_verdict BEFORE INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION one_verdict();
        """
    )
    grant("challenges", "SELECT, INSERT, UPDATE (used_at), DELETE")
    grant("credentials", "SELECT, INSERT, UPDATE (sign_count, used_at, locked_at)")
    append_only("credential_candidates")
    grant("console_sign_ins", "SELECT, INSERT, UPDATE (closed_at)")
