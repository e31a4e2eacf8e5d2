"""Read-only access to an agency's record systems."""
