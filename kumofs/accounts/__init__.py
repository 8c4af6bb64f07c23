"""Users, passwords and sessions.

`users` signs people up, `sign_in` checks a password and holds guessing back, `sessions` gives and ends tokens,
`token_file` keeps the token on this machine. `passwords` is the only module that knows bcrypt.
"""
