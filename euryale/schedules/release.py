"""A release: which state of the application an apply stands for, and what is newer than it."""

import re
from dataclasses import dataclass

from euryale.errors import ReleaseInvalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:@/-]{0,63}")


@dataclass(frozen=True, slots=True)
class Release:
    """What an apply says of the code that it applies.

    Attributes:
        name: The release's name, such as a tag, a commit or the number of a deployment.
        sequence: Its place among the releases: the higher one is the newer one. None leaves that
            to the ledger, for which a release is newer than all that were applied before its own
            first apply.
        rollback: Whether it is to be the newest one although a newer one was applied.

    Raises:
        ReleaseInvalid: The name or the sequence can't be one.

    Example:
        >>> Release("2026-11-21.3").sequence is None
        True
    """

    name: str
    sequence: int | None = None
    rollback: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ReleaseInvalid(
                f"a release can't be named '{self.name[:80]}'",
                where="--release or EURYALE_RELEASE",
                mend="use up to 64 letters, digits and . _ + : @ / -, such as a tag or a commit",
            )
        if self.sequence is not None and self.sequence < 1:
            raise ReleaseInvalid(
                f"{self.sequence} is no place among the releases",
                where="--sequence or EURYALE_SEQUENCE",
                mend="give a number from 1 up that grows with each release",
            )
