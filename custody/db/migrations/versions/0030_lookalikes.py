"""Addresses in the orders in which people mistake them; and messages to operators may be deleted once they are old.

What looks like another address is its neighbour in one of these orders.
"""

from __future__ import annotations

from typing import Final

from alembic import op

from custody.db.migrations.grants import grant

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# The same as custody.evidence.lookalikes.keys says; a test holds the two together. In each order addresses of one kind
# stand together (its letter comes first), by their beginning, by their end, or by both ends at once. The planner would
# write a function in SQL out wherever one of the indexes could be meant, and take longer than the reading does.
ORDERS: Final = r"""
CREATE FUNCTION address_key(address text, arrangement text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  kind text := left(address, 1);
  told text := address;
BEGIN
  IF lower(left(address, 2)) = '0x' THEN
    kind := 'x';
    told := lower(substr(address, 3));
  ELSIF address = lower(address) AND address COLLATE "C" ~ '^[a-z]+1[^1]*$' THEN
    kind := 'b';
    told := substr(address, strpos(address, '1') + 1);
  END IF;
  RETURN kind || CASE arrangement
    WHEN 'head' THEN told
    WHEN 'tail' THEN reverse(told)
    WHEN 'ends' THEN left(told, 4) || right(told, 4) || told
  END;
END $$;
"""

STANDING: Final = "WHERE delisted_at IS NULL"
PAID: Final = "WHERE state IN ('signed', 'broadcast', 'confirmed', 'completed')"
SETS: Final = (
    ("ix_listings", "listings", "", "destination", STANDING),
    ("ix_listings_client", "listings", "client_id, ", "destination", STANDING),
    ("ix_withdrawals_paid", "withdrawals", "client_id, ", "destination", PAID),
    ("ix_addresses", "addresses", "", "address", "WHERE address <> ''"),
)


def upgrade() -> None:
    """An index per order for each set of addresses that a payment's destination is held against; one by name."""
    op.execute(ORDERS)
    for name, table, whose, column, where in SETS:
        for order in ("head", "tail", "ends"):
            key = f"(address_key({column}, '{order}') COLLATE \"C\")"
            op.execute(f"CREATE INDEX {name}_{order} ON {table} ({whose}{key}) {where}")
    op.execute(f"CREATE INDEX ix_listings_client_id_destination ON listings (client_id, chain, destination) {STANDING}")
    for table in ("notices", "notice_messages"):
        grant(table, "DELETE")
