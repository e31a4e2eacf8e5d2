"""The node at an agency: connectors, matching, sealing, and the messages both sides share."""
