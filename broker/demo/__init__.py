"""Northshire: an invented county to demonstrate, test and measure in. Nobody in it exists."""
