"""One mount as a process: composed in `mount`, started by `launch`, spoken to through `control`.

`mount_point` says whether a directory can be mounted on, `runtime` knows the mounts that run on this machine,
`service` tells systemd how the mount is, `session_watch` ends what a session may do when the session ends, `upkeep`
cleans in the background, `heartbeat` measures how long the loop kept anybody waiting.
"""
