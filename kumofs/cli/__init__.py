"""The command `kumofs`: one module a command family, and `exit_status` for how each error ends it."""
