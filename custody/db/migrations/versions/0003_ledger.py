"""The ledger: accounts, journal entries, postings, holds, and the functions that alone may move money."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import APPLICATION_ROLE, append_only, grant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REASONS = """
INSERT INTO ledger_reasons (reason, falls, rises, one_client, authority) VALUES
  ('deposit_credited',     '{onchain}',                   '{available,receivable}', true,  false),
  ('deposit_dust',         '{onchain}',                   '{suspense}',             true,  false),
  ('deposit_quarantined',  '{onchain}',                   '{suspense}',             true,  false),
  ('deposit_unattributed', '{onchain}',                   '{suspense}',             true,  false),
  ('deposit_reversed',     '{available,receivable}',      '{onchain}',              true,  false),
  ('suspense_resolved',    '{suspense}',                  '{available}',            true,  true),
  ('suspense_reversed',    '{suspense}',                  '{onchain}',              true,  false),
  ('hold',                 '{available}',                 '{held}',                 true,  false),
  ('hold_released',        '{held}',                      '{available}',            true,  false),
  ('withdrawal_settled',   '{held,available,receivable}', '{onchain,available}',    true,  false),
  ('withdrawal_reversed',  '{onchain}',                   '{held}',                 true,  false),
  ('internal_transfer',    '{available}',                 '{available}',            false, true),
  ('pledge',               '{available}',                 '{pledged}',              true,  true),
  ('pledge_release',       '{pledged}',                   '{available}',            true,  true),
  ('receivable_repaid',    '{available}',                 '{receivable}',           true,  true),
  ('fee_billed',           '{available}',                 '{fees}',                 true,  true),
  ('fee_collected',        '{fees}',                      '{onchain}',              true,  true),
  ('gas_billed',           '{receivable}',                '{network_fees}',         true,  false),
  ('network_fee_paid',     '{network_fees}',              '{onchain}',              true,  false),
  ('capital_added',        '{onchain}',                   '{capital}',              true,  false),
  ('capital_returned',     '{capital}',                   '{onchain}',              true,  true)
"""

TABLES = """
CREATE TABLE ledger_reasons (
  reason text CONSTRAINT pk_ledger_reasons PRIMARY KEY,
  falls text[] NOT NULL,
  rises text[] NOT NULL,
  one_client boolean NOT NULL,
  authority boolean NOT NULL
);

CREATE TABLE ledger_accounts (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_ledger_accounts PRIMARY KEY,
  kind text NOT NULL,
  owner text NOT NULL,
  pledge text NOT NULL DEFAULT '',
  asset text NOT NULL,
  balance numeric(78,0) NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 0,
  sign smallint NOT NULL GENERATED ALWAYS AS
    (CASE WHEN kind IN ('receivable', 'onchain', 'network_fees') THEN -1 ELSE 1 END) STORED,
  CONSTRAINT uq_ledger_accounts_name UNIQUE (owner, asset, kind, pledge),
  CONSTRAINT ck_ledger_accounts_sign CHECK (balance * sign >= 0)
) WITH (fillfactor = 70);

CREATE TABLE journal_entries (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_journal_entries PRIMARY KEY,
  key text NOT NULL CONSTRAINT uq_journal_entries_key UNIQUE,
  body_hash bytea NOT NULL,
  reason text NOT NULL,
  subject text NOT NULL,
  actor text NOT NULL,
  authorised_by jsonb NOT NULL,
  legs integer NOT NULL,
  posted_at timestamptz NOT NULL,
  batched boolean NOT NULL DEFAULT false,
  reverses bigint CONSTRAINT fk_journal_entries_reverses REFERENCES journal_entries (id)
);
CREATE UNIQUE INDEX uq_journal_entries_reverses ON journal_entries (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX ix_journal_entries_subject ON journal_entries (subject);

CREATE TABLE journal_batches (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_journal_batches PRIMARY KEY,
  entries bigint[] NOT NULL
);

CREATE TABLE postings (
  entry_id bigint NOT NULL,
  leg integer NOT NULL,
  account_id bigint NOT NULL,
  sign smallint NOT NULL,
  units numeric(78,0) NOT NULL,
  previous_balance numeric(78,0) NOT NULL,
  new_balance numeric(78,0) NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT pk_postings PRIMARY KEY (entry_id, leg),
  CONSTRAINT uq_postings_account_id_version UNIQUE (account_id, version),
  CONSTRAINT ck_postings_line CHECK
    (units <> 0 AND new_balance = previous_balance + units AND new_balance * sign >= 0 AND leg >= 1)
);

CREATE TABLE holds (
  id text CONSTRAINT pk_holds PRIMARY KEY,
  client text NOT NULL,
  asset text NOT NULL,
  units numeric(78,0) NOT NULL,
  ceiling numeric(78,0) NOT NULL,
  subject text NOT NULL,
  state text NOT NULL CONSTRAINT ck_holds_state CHECK (state IN ('pending', 'posted', 'voided')),
  settlements integer NOT NULL DEFAULT 0,
  settled_units numeric(78,0),
  vault text,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  CONSTRAINT uq_holds_subject_asset UNIQUE (subject, asset),
  CONSTRAINT ck_holds_units CHECK (units > 0 AND units <= ceiling),
  CONSTRAINT ck_holds_ended CHECK ((state = 'pending') = (ended_at IS NULL)),
  CONSTRAINT ck_holds_settled CHECK ((state = 'posted') = (settled_units IS NOT NULL)),
  CONSTRAINT ck_holds_settled_units CHECK (settled_units > 0 AND settled_units <= ceiling)
);
CREATE INDEX ix_holds_pending ON holds (client, asset) WHERE state = 'pending';
"""

# A name is checked when an account is opened and never changes, so the rule is a trigger of those columns and not
# a CHECK that every change of a balance would evaluate. Postings rely on their account staying.
CHECK_ACCOUNT = """
CREATE FUNCTION ledger_check_account() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.kind NOT IN
       ('available', 'held', 'pledged', 'receivable', 'onchain', 'suspense', 'fees', 'network_fees', 'capital')
     OR NEW.owner = '' OR NEW.asset = ''
     OR (NEW.owner = 'house') <> (NEW.kind IN ('fees', 'network_fees', 'capital'))
     OR (NEW.pledge <> '') <> (NEW.kind = 'pledged')
     OR NEW.balance <> 0 OR NEW.version <> 0
  THEN
    RAISE EXCEPTION 'there is no such account: % %', NEW.kind, NEW.owner USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER check_account BEFORE INSERT ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION ledger_check_account();
CREATE TRIGGER keep_name BEFORE UPDATE OF id, kind, owner, pledge, asset ON ledger_accounts
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep_account BEFORE DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep_account_truncate BEFORE TRUNCATE ON ledger_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Shuts an entry: a line names an entry there is and one of its legs, whose numbers are all taken once it is complete.
# A foreign key would look once a line while the accounts are locked.
CHECK_POSTINGS = """
CREATE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM written p
    WHERE p.leg > coalesce((SELECT e.legs FROM public.journal_entries e WHERE e.id = p.entry_id), 0)
  ) THEN
    RAISE EXCEPTION 'no entry has such a leg' USING ERRCODE = 'LG003';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER check_postings AFTER INSERT ON postings REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings();
"""

# Fires at commit, once per entry: its legs are all there and on accounts that exist, each asset sums to zero (I1),
# and the reason permits what moved, for whom, on whose authority (I5). A foreign key on the account would cost a row
# lock per posting and prove no more.
CHECK_ENTRY = """
CREATE FUNCTION ledger_check_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  sums record;
BEGIN
  SELECT count(*) AS legs, sum(p.units) <> 0 AS unbalanced, min(a.asset) <> max(a.asset) AS many_assets,
    bool_and(p.sign = a.sign AND a.kind = ANY (CASE WHEN p.units < 0 THEN r.falls ELSE r.rises END)
      AND (NOT r.authority OR p.units > 0 OR a.sign < 0 OR NEW.authorised_by ? a.owner)) AS permitted,
    min(a.owner) FILTER (WHERE r.one_client AND a.kind IN ('available', 'held', 'pledged', 'receivable'))
      <> max(a.owner) FILTER (WHERE r.one_client AND a.kind IN ('available', 'held', 'pledged', 'receivable')) AS mixed
  INTO sums
  FROM postings p JOIN ledger_accounts a ON a.id = p.account_id LEFT JOIN ledger_reasons r ON r.reason = NEW.reason
  WHERE p.entry_id = NEW.id;
  IF sums.many_assets THEN
    SELECT bool_or(total <> 0) INTO sums.unbalanced FROM (
      SELECT sum(p.units) AS total FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
      WHERE p.entry_id = NEW.id GROUP BY a.asset
    ) per_asset;
  END IF;
  IF sums.legs <> NEW.legs OR sums.legs < 2 OR length(NEW.body_hash) <> 32 OR sums.unbalanced THEN
    RAISE EXCEPTION 'entry % does not balance', NEW.id USING ERRCODE = 'LG003';
  END IF;
  IF sums.permitted IS NOT TRUE OR sums.mixed THEN
    RAISE EXCEPTION 'entry %: % does not permit this', NEW.id, NEW.reason USING ERRCODE = 'LG003';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_entry AFTER INSERT ON journal_entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.batched) EXECUTE FUNCTION ledger_check_entry();
"""

# The same rules for a whole batch in one look, at commit too: a hundred looks would hold its accounts' locks for
# a hundred times as long. Only ledger_post writes a batched entry, always with its batch.
CHECK_BATCH = """
CREATE FUNCTION ledger_check_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  bad record;
BEGIN
  WITH lines AS (
    SELECT e.id, e.legs, length(e.body_hash) AS hashed, p.units, a.asset, a.owner, r.one_client,
      a.kind IN ('available', 'held', 'pledged', 'receivable') AS of_client,
      p.sign = a.sign AND a.kind = ANY (CASE WHEN p.units < 0 THEN r.falls ELSE r.rises END)
        AND (NOT r.authority OR p.units > 0 OR a.sign < 0 OR e.authorised_by ? a.owner) AS permitted
    FROM unnest(NEW.entries) AS asked (id)
    JOIN journal_entries e ON e.id = asked.id
    JOIN postings p ON p.entry_id = e.id
    JOIN ledger_accounts a ON a.id = p.account_id
    LEFT JOIN ledger_reasons r ON r.reason = e.reason
  ), assets AS (
    SELECT id, min(legs) AS legs, min(hashed) AS hashed, count(*) AS written, sum(units) AS total,
      bool_and(permitted) AS permitted, bool_and(permitted IS NOT NULL) AS known,
      min(owner) FILTER (WHERE one_client AND of_client) AS first_client,
      max(owner) FILTER (WHERE one_client AND of_client) AS last_client
    FROM lines GROUP BY id, asset
  ), entries AS (
    SELECT id, sum(written) <> min(legs) OR sum(written) < 2 OR min(hashed) <> 32 OR bool_or(total <> 0) AS unbalanced,
      bool_and(permitted AND known) AS permitted, min(first_client) <> max(last_client) AS mixed
    FROM assets GROUP BY id
  )
  SELECT count(*) AS entries, min(id) FILTER (WHERE unbalanced) AS unbalanced,
    min(id) FILTER (WHERE permitted IS NOT TRUE OR mixed) AS forbidden
  INTO bad FROM entries;
  IF bad.unbalanced IS NOT NULL OR bad.entries <> cardinality(NEW.entries) THEN
    RAISE EXCEPTION 'entry % does not balance', bad.unbalanced USING ERRCODE = 'LG003';
  END IF;
  IF bad.forbidden IS NOT NULL THEN
    RAISE EXCEPTION 'entry %: its reason does not permit this', bad.forbidden USING ERRCODE = 'LG003';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_batch AFTER INSERT ON journal_batches
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_batch();
"""

# LG001: a liability would fall below zero. LG002: the key was used for another body. LG004: an asset account
# would rise above zero. The caller's postings come sorted by name, so accounts are opened in one order too. They are
# locked newest first, everywhere: those that all share, a vault's and the house's, are the oldest and locked shortest.
ACCOUNTS = """
CREATE FUNCTION ledger_find(p_kinds text[], p_owners text[], p_pledges text[], p_assets text[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN ARRAY(
    SELECT (SELECT a.id FROM ledger_accounts a
            WHERE a.owner = n.owner AND a.asset = n.asset AND a.kind = n.kind AND a.pledge = n.pledge)
    FROM unnest(p_kinds, p_owners, p_pledges, p_assets) WITH ORDINALITY AS n (kind, owner, pledge, asset, place)
    ORDER BY n.place
  );
END $$;

CREATE FUNCTION ledger_open(p_kinds text[], p_owners text[], p_pledges text[], p_assets text[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO ledger_accounts (owner, asset, kind, pledge)
  SELECT DISTINCT * FROM unnest(p_owners, p_assets, p_kinds, p_pledges) ORDER BY 1, 2, 3, 4
  ON CONFLICT (owner, asset, kind, pledge) DO NOTHING;
  RETURN ledger_find(p_kinds, p_owners, p_pledges, p_assets);
END $$;

CREATE FUNCTION ledger_posted(p_key text, p_body_hash bytea) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  entry journal_entries;
BEGIN
  SELECT * INTO STRICT entry FROM journal_entries WHERE key = p_key;
  IF entry.body_hash <> p_body_hash THEN
    RAISE EXCEPTION 'key used for another body' USING ERRCODE = 'LG002';
  END IF;
  RETURN entry.id;
END $$;

CREATE FUNCTION ledger_refuse(p_kind text, p_owner text, p_asset text) RETURNS numeric
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the account has not as much' USING
    ERRCODE = CASE WHEN p_kind IN ('receivable', 'onchain', 'network_fees') THEN 'LG004' ELSE 'LG001' END,
    DETAIL = p_kind || ' ' || p_owner || ' ' || p_asset;
END $$;

CREATE FUNCTION ledger_lock(p_kinds text[], p_owners text[], p_pledges text[], p_assets text[]) RETURNS numeric[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  ids bigint[] := ledger_find(p_kinds, p_owners, p_pledges, p_assets);
BEGIN
  IF array_position(ids, NULL) IS NOT NULL THEN
    ids := ledger_open(p_kinds, p_owners, p_pledges, p_assets);
  END IF;
  PERFORM 1 FROM ledger_accounts WHERE id = ANY (ids) ORDER BY id DESC FOR NO KEY UPDATE;
  RETURN ARRAY(SELECT a.balance FROM unnest(ids) WITH ORDINALITY AS asked (id, place)
               JOIN ledger_accounts a ON a.id = asked.id ORDER BY asked.place);
END $$;
"""

# The commonest entry, as fast as it goes: units of one asset from one account to another.
POST_TWO = """
CREATE FUNCTION ledger_post_two(
  p_key text, p_body_hash bytea, p_reason text, p_subject text, p_actor text, p_authorised_by jsonb,
  p_reverses bigint, p_at timestamptz, p_asset text, p_units numeric,
  p_from_kind text, p_from_owner text, p_from_pledge text, p_to_kind text, p_to_owner text, p_to_pledge text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  entry bigint;
  giving bigint;
  taking bigint;
  low bigint;
  low_units numeric;
  low_after numeric;
  low_step bigint;
  low_side smallint;
  high bigint;
  high_units numeric;
  high_after numeric;
  high_step bigint;
  high_side smallint;
BEGIN
  INSERT INTO journal_entries (key, body_hash, reason, subject, actor, authorised_by, legs, posted_at, reverses)
  VALUES (p_key, p_body_hash, p_reason, p_subject, p_actor, p_authorised_by, 2, p_at, p_reverses)
  ON CONFLICT (key) DO NOTHING RETURNING id INTO entry;
  IF entry IS NULL THEN
    RETURN ledger_posted(p_key, p_body_hash);
  END IF;
  SELECT id INTO giving FROM ledger_accounts
  WHERE owner = p_from_owner AND asset = p_asset AND kind = p_from_kind AND pledge = p_from_pledge;
  SELECT id INTO taking FROM ledger_accounts
  WHERE owner = p_to_owner AND asset = p_asset AND kind = p_to_kind AND pledge = p_to_pledge;
  IF giving IS NULL OR taking IS NULL THEN
    SELECT opened[1], opened[2] INTO giving, taking FROM ledger_open(
      ARRAY[p_from_kind, p_to_kind], ARRAY[p_from_owner, p_to_owner],
      ARRAY[p_from_pledge, p_to_pledge], ARRAY[p_asset, p_asset]) AS opened;
  END IF;
  IF giving < taking THEN
    low := giving; low_units := -p_units; high := taking; high_units := p_units;
  ELSE
    low := taking; low_units := p_units; high := giving; high_units := -p_units;
  END IF;
  UPDATE ledger_accounts SET balance = balance + high_units, version = version + 1
  WHERE id = high AND (balance + high_units) * sign >= 0
  RETURNING balance, version, sign INTO high_after, high_step, high_side;
  UPDATE ledger_accounts SET balance = balance + low_units, version = version + 1
  WHERE id = low AND (balance + low_units) * sign >= 0
  RETURNING balance, version, sign INTO low_after, low_step, low_side;
  IF low_after IS NULL OR high_after IS NULL THEN
    PERFORM ledger_refuse(kind, owner, asset) FROM ledger_accounts
    WHERE id = CASE WHEN low_after IS NULL THEN low ELSE high END;
  END IF;
  INSERT INTO postings (entry_id, leg, account_id, sign, units, previous_balance, new_balance, version)
  VALUES (entry, 1, low, low_side, low_units, low_after - low_units, low_after, low_step),
         (entry, 2, high, high_side, high_units, high_after - high_units, high_after, high_step);
  RETURN entry;
END $$;
"""

# Entries are written before any account is locked: what many batches share is held only for the last statement.
POST_MANY = """
CREATE FUNCTION ledger_post(
  p_keys text[], p_body_hashes bytea[], p_reasons text[], p_subjects text[], p_actors text[],
  p_authorised_by jsonb[], p_reverses bigint[], p_legs integer[], p_at timestamptz,
  p_entry_of integer[], p_leg_of integer[],
  p_kinds text[], p_owners text[], p_pledges text[], p_assets text[], p_units numeric[]
) RETURNS bigint[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  fresh bigint[];
  posted bigint[];
  ids bigint[];
  reused boolean;
BEGIN
  -- By key, so that two batches with the same keys never wait for each other both ways.
  WITH made AS (
    INSERT INTO journal_entries
      (key, body_hash, reason, subject, actor, authorised_by, legs, posted_at, reverses, batched)
    SELECT key, body_hash, reason, subject, actor, authorised_by, legs, p_at, reverses, true
    FROM unnest(p_keys, p_body_hashes, p_reasons, p_subjects, p_actors, p_authorised_by, p_legs, p_reverses)
      AS asked (key, body_hash, reason, subject, actor, authorised_by, legs, reverses)
    ORDER BY key
    ON CONFLICT (key) DO NOTHING RETURNING id, key
  ), asked AS (
    SELECT key, place, row_number() OVER (PARTITION BY key ORDER BY place) AS nth
    FROM unnest(p_keys) WITH ORDINALITY AS u (key, place)
  )
  SELECT array_agg(CASE WHEN nth = 1 THEN made.id END ORDER BY place) INTO fresh
  FROM asked LEFT JOIN made USING (key);
  posted := fresh;
  IF array_position(fresh, NULL) IS NOT NULL THEN
    SELECT array_agg(e.id ORDER BY asked.place), bool_or(e.body_hash <> asked.body_hash) INTO posted, reused
    FROM unnest(p_keys, p_body_hashes) WITH ORDINALITY AS asked (key, body_hash, place)
    JOIN journal_entries e USING (key);
    IF reused THEN
      RAISE EXCEPTION 'key used for another body' USING ERRCODE = 'LG002';
    END IF;
  END IF;

  INSERT INTO journal_batches (entries)
  SELECT array_agg(id) FROM unnest(fresh) AS written (id) WHERE id IS NOT NULL HAVING count(*) > 0;

  ids := ledger_find(p_kinds, p_owners, p_pledges, p_assets);
  IF array_position(ids, NULL) IS NOT NULL THEN
    ids := ledger_open(p_kinds, p_owners, p_pledges, p_assets);
  END IF;
  PERFORM 1 FROM ledger_accounts WHERE id = ANY (ids) ORDER BY id DESC FOR NO KEY UPDATE;

  WITH moving AS (
    SELECT fresh[l.entry] AS entry_id, l.leg, l.account, l.units, a.sign, a.kind, a.owner,
      a.asset, a.balance + sum(l.units) OVER running AS after, a.version + row_number() OVER running AS step
    FROM unnest(p_entry_of, p_leg_of, ids, p_units) AS l (entry, leg, account, units)
    JOIN ledger_accounts a ON a.id = l.account
    WHERE fresh[l.entry] IS NOT NULL
    WINDOW running AS (PARTITION BY l.account ORDER BY l.entry ROWS UNBOUNDED PRECEDING)
  ), lines AS MATERIALIZED (
    SELECT entry_id, leg, account, sign, units, step,
      CASE WHEN after * sign >= 0 THEN after ELSE ledger_refuse(kind, owner, asset) END AS after
    FROM moving
  ), written AS (
    INSERT INTO postings (entry_id, leg, account_id, sign, units, previous_balance, new_balance, version)
    SELECT entry_id, leg, account, sign, units, after - units, after, step FROM lines
  )
  UPDATE ledger_accounts a SET balance = a.balance + moved.units, version = a.version + moved.steps
  FROM (SELECT account, sum(units) AS units, count(*) AS steps FROM lines GROUP BY account) moved
  WHERE a.id = moved.account;
  RETURN posted;
END $$;
"""

# The application may call what posts and nothing that writes: not the tables, not the inner functions.
RIGHTS = f"""
REVOKE INSERT ON journal_entries, postings FROM {APPLICATION_ROLE};
GRANT UPDATE (units, state, settlements, settled_units, vault, ended_at) ON holds TO {APPLICATION_ROLE};
REVOKE INSERT ON journal_batches FROM {APPLICATION_ROLE};
REVOKE ALL ON FUNCTION ledger_check_account, ledger_check_postings, ledger_check_entry, ledger_check_batch,
  ledger_find, ledger_open, ledger_posted, ledger_refuse, ledger_lock, ledger_post_two, ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_lock, ledger_post_two, ledger_post TO {APPLICATION_ROLE};
"""


def upgrade() -> None:
    """Create the tables, the check at commit, and the functions through which the application posts."""
    for statements in (
        TABLES,
        REASONS,
        CHECK_ACCOUNT,
        CHECK_POSTINGS,
        CHECK_ENTRY,
        CHECK_BATCH,
        ACCOUNTS,
        POST_TWO,
        POST_MANY,
    ):
        op.execute(statements)
    for table in ("ledger_reasons", "ledger_accounts"):
        grant(table, "SELECT")
    append_only("journal_entries")
    append_only("postings")
    append_only("journal_batches")
    grant("holds", "SELECT, INSERT")
    op.execute(RIGHTS)
