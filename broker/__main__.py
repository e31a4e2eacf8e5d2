"""`python -m broker` is the command `mash`."""

from broker.cli import app

if __name__ == "__main__":
    app()
