"""Agreements where keys and ledger come in: signing, verifying, printing the words, replay."""
