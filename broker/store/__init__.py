"""Storage: SQLAlchemy Core, one writer, and the ledger in the same transaction."""
