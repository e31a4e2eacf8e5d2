"""`python -m broker` is the command `mash`."""

from broker.cli import app

app()
