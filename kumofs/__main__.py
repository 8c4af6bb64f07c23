"""`python -m kumofs` is the command `kumofs`."""

from kumofs.cli.main import main

main()
