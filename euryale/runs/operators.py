"""Who operates: the name that is recorded with what somebody does by hand."""

import getpass
import socket


def operator_name() -> str:
    """The user and the machine, as `user@host`; what is unknown of it is left out.

    Example:
        `operator_name()` is `ada@laptop` in Ada's shell.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that no user has.
        user = ""
    return "@".join(part for part in (user, socket.gethostname()) if part)
