"""The broker: verifies, decides, queues, delivers and writes the ledger; it cannot read."""
