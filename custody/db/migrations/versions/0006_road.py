"""The road out: intents and approvals, withdrawals, attempts and reservations, bundles and signatures."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One intent, two quorums, one spend."""
    op.execute(
        """
        CREATE TABLE intents (
          digest text CONSTRAINT pk_intents PRIMARY KEY,
          kind text NOT NULL,
          document jsonb NOT NULL,
          request_hash text NOT NULL,
          request_signature jsonb NOT NULL,
          requester text NOT NULL,
          idempotency_key text NOT NULL,
          client_id text NOT NULL,
          decision jsonb NOT NULL,
          state text NOT NULL,
          not_after timestamptz NOT NULL,
          not_before timestamptz,
          created_at timestamptz NOT NULL,
          decided_at timestamptz,
          CONSTRAINT uq_intents_requester_idempotency_key UNIQUE (requester, idempotency_key),
          CONSTRAINT ck_intents_state CHECK
            (state IN ('pending', 'approved', 'rejected', 'denied', 'expired', 'withdrawn'))
        );
        CREATE INDEX ix_intents_pending ON intents (not_after) WHERE state = 'pending';
        CREATE FUNCTION keep_intent() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (NEW.digest, NEW.kind, NEW.document, NEW.request_hash, NEW.request_signature, NEW.requester,
              NEW.idempotency_key, NEW.client_id, NEW.not_after)
             IS DISTINCT FROM
             (OLD.digest, OLD.kind, OLD.document, OLD.request_hash, OLD.request_signature, OLD.requester,
              OLD.idempotency_key, OLD.client_id, OLD.not_after) THEN
            RAISE EXCEPTION 'an intent is never edited' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_intent BEFORE UPDATE ON intents FOR EACH ROW EXECUTE FUNCTION keep_intent();

        CREATE TABLE approvals (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_approvals PRIMARY KEY,
          digest text NOT NULL CONSTRAINT fk_approvals_digest REFERENCES intents,
          approver text NOT NULL,
          verdict text NOT NULL,
          nonce text NOT NULL,
          document jsonb NOT NULL,
          given_at timestamptz NOT NULL,
          CONSTRAINT uq_approvals_digest_approver UNIQUE (digest, approver),
          CONSTRAINT uq_approvals_approver_nonce UNIQUE (approver, nonce),
          CONSTRAINT ck_approvals_verdict CHECK (verdict IN ('approve', 'reject'))
        );

        CREATE TABLE withdrawals (
          id text CONSTRAINT pk_withdrawals PRIMARY KEY,
          digest text NOT NULL CONSTRAINT fk_withdrawals_digest REFERENCES intents,
          client_id text NOT NULL CONSTRAINT fk_withdrawals_client_id REFERENCES clients,
          vault_id text NOT NULL CONSTRAINT fk_withdrawals_vault_id REFERENCES vaults,
          chain text NOT NULL,
          asset text NOT NULL,
          units numeric(78,0) NOT NULL,
          max_fee_units numeric(78,0) NOT NULL,
          destination text NOT NULL,
          script_pubkey bytea NOT NULL,
          hold_id text,
          state text NOT NULL,
          waiting_for text,
          facts jsonb NOT NULL,
          requested_at timestamptz NOT NULL,
          state_since timestamptz NOT NULL,
          fee_units numeric(78,0),
          txid text,
          CONSTRAINT uq_withdrawals_digest UNIQUE (digest),
          CONSTRAINT ck_withdrawals_units CHECK (units > 0 AND max_fee_units > 0),
          CONSTRAINT ck_withdrawals_state CHECK (state IN ('requested', 'pending_approval', 'approved',
            'awaiting_signatures', 'signed', 'broadcast', 'confirmed', 'completed', 'denied', 'rejected',
            'expired', 'cancelled', 'failed'))
        );
        CREATE INDEX ix_withdrawals_client_id_requested_at ON withdrawals (client_id, requested_at);
        CREATE INDEX ix_withdrawals_open ON withdrawals (chain, state, state_since) WHERE state NOT IN
          ('completed', 'denied', 'rejected', 'expired', 'cancelled', 'failed');

        CREATE TABLE withdrawal_transitions (
          subject text NOT NULL CONSTRAINT fk_withdrawal_transitions_subject REFERENCES withdrawals,
          step integer NOT NULL,
          from_state text NOT NULL,
          to_state text NOT NULL,
          event text NOT NULL,
          actor text NOT NULL,
          at timestamptz NOT NULL,
          CONSTRAINT pk_withdrawal_transitions PRIMARY KEY (subject, step)
        );

        CREATE TABLE attempts (
          id text CONSTRAINT pk_attempts PRIMARY KEY,
          withdrawal_id text NOT NULL,
          sequence integer NOT NULL,
          chain text NOT NULL,
          vault_id text NOT NULL CONSTRAINT fk_attempts_vault_id REFERENCES vaults,
          inputs jsonb NOT NULL,
          change_index integer,
          psbt text NOT NULL,
          txid text NOT NULL,
          fee_units numeric(78,0) NOT NULL,
          vsize integer NOT NULL,
          state text NOT NULL,
          final bytea,
          composed_at timestamptz NOT NULL,
          sent_at timestamptz,
          confirmed_height integer,
          CONSTRAINT uq_attempts_withdrawal_id_sequence UNIQUE (withdrawal_id, sequence),
          CONSTRAINT uq_attempts_txid UNIQUE (txid),
          CONSTRAINT ck_attempts_state CHECK
            (state IN ('composed', 'signed', 'sent', 'confirmed', 'replaced', 'abandoned')),
          CONSTRAINT ck_attempts_final CHECK (state IN ('composed', 'replaced', 'abandoned') OR final IS NOT NULL)
        );

        CREATE INDEX ix_attempts_on_their_way ON attempts (chain) WHERE state IN ('signed', 'sent');
        CREATE INDEX ix_attempts_chain_confirmed_height ON attempts (chain, confirmed_height);

        CREATE TABLE reservations (
          chain text NOT NULL,
          txid text NOT NULL,
          vout integer NOT NULL,
          withdrawal_id text NOT NULL,
          reserved_at timestamptz NOT NULL,
          CONSTRAINT pk_reservations PRIMARY KEY (chain, txid, vout)
        );
        CREATE INDEX ix_reservations_withdrawal_id ON reservations (withdrawal_id);

        CREATE TABLE bundles (
          id text CONSTRAINT pk_bundles PRIMARY KEY,
          attempt_id text NOT NULL CONSTRAINT uq_bundles_attempt_id UNIQUE,
          keyset_id text NOT NULL CONSTRAINT fk_bundles_keyset_id REFERENCES keysets,
          vault_id text NOT NULL CONSTRAINT fk_bundles_vault_id REFERENCES vaults,
          threshold integer NOT NULL,
          members integer NOT NULL,
          document jsonb NOT NULL,
          digest text NOT NULL,
          paths jsonb NOT NULL,
          state text NOT NULL,
          final bytea,
          txid text,
          opened_at timestamptz NOT NULL,
          closed_at timestamptz,
          CONSTRAINT ck_bundles_state CHECK (state IN ('open', 'complete', 'refused', 'abandoned')),
          CONSTRAINT ck_bundles_final CHECK ((state = 'complete') = (final IS NOT NULL AND txid IS NOT NULL))
        );
        CREATE INDEX ix_bundles_open ON bundles (keyset_id) WHERE state = 'open';

        CREATE TABLE bundle_deliveries (
          bundle_id text NOT NULL CONSTRAINT fk_bundle_deliveries_bundle_id REFERENCES bundles,
          cosigner text NOT NULL,
          given_at timestamptz NOT NULL,
          CONSTRAINT pk_bundle_deliveries PRIMARY KEY (bundle_id, cosigner)
        );

        CREATE TABLE bundle_answers (
          bundle_id text NOT NULL CONSTRAINT fk_bundle_answers_bundle_id REFERENCES bundles,
          cosigner text NOT NULL,
          verdict text NOT NULL,
          signatures jsonb NOT NULL,
          refusal jsonb,
          at timestamptz NOT NULL,
          CONSTRAINT pk_bundle_answers PRIMARY KEY (bundle_id, cosigner),
          CONSTRAINT ck_bundle_answers_verdict CHECK (verdict IN ('signed', 'refused'))
        );

        CREATE TABLE quarantined_cosigners (
          cosigner text CONSTRAINT pk_quarantined_cosigners PRIMARY KEY,
          reason text NOT NULL,
          at timestamptz NOT NULL
        );
        """
    )
    for table in ("intents", "withdrawals", "attempts", "bundles"):
        grant(table, "SELECT, INSERT, UPDATE")
    grant("reservations", "SELECT, INSERT, DELETE")
    for table in (
        *("approvals", "withdrawal_transitions", "bundle_deliveries"),
        *("bundle_answers", "quarantined_cosigners"),
    ):
        append_only(table)
