"""Restoring: which database this is, and a gate that holds whatever the code forgets."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """While a restoration is under way no attempt is composed and no address enters the stock, which was burned.

    The state is 55000, which units translate as ``Unavailable``: whoever meets the gate tries again later.
    """
    op.execute(
        """
        CREATE TABLE database_identity (
          one boolean CONSTRAINT pk_database_identity PRIMARY KEY,
          fingerprint text NOT NULL,
          noted_at timestamptz NOT NULL,
          CONSTRAINT ck_database_identity_one CHECK (one)
        );
        CREATE TABLE restorations (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_restorations PRIMARY KEY,
          reason text NOT NULL,
          noticed_at timestamptz NOT NULL,
          tips jsonb NOT NULL,
          goals jsonb NOT NULL,
          watched_at timestamptz,
          resumed_at timestamptz
        );
        CREATE UNIQUE INDEX uq_restorations_open ON restorations ((true)) WHERE resumed_at IS NULL;

        CREATE FUNCTION wait_for_restore() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM restorations WHERE resumed_at IS NULL) THEN
            RAISE EXCEPTION 'restoring: % waits', TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER wait_for_restore BEFORE INSERT ON attempts
          FOR EACH ROW EXECUTE FUNCTION wait_for_restore();
        CREATE TRIGGER wait_for_restore_stocking BEFORE INSERT ON addresses
          FOR EACH ROW WHEN (NEW.state = 'stock') EXECUTE FUNCTION wait_for_restore();
        """
    )
    grant("database_identity", "SELECT, INSERT, UPDATE")
    grant("restorations", "SELECT, INSERT, UPDATE")
