"""The books: segregated double-entry accounts per client, vault and asset, holds, and entries nobody can change."""
