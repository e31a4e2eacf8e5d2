"""The ledger: entries, Merkle proofs, checkpoints, witnesses, receipts and verifiers."""
