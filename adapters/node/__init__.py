"""The node: holds an agency's keys, reads its records, asks and answers through the broker."""
