"""Subject matching: the right person, or nobody (`docs/connectors.md`)."""
