"""The one error that users see: what is wrong, where, and what to do about it."""

from __future__ import annotations


class ForgeError(Exception):
    """A fault that a user can cause and mend.

    Its text is always one line: ``WHERE: WHAT; REMEDY``.

    Args:
        what: the fault in plain words, without a full stop.
        where: the file (and line or key) or package that it concerns.
        remedy: what the user can do.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = " ".join(what.split())
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.remedy}" if self.remedy else text


class UnreachableError(ForgeError):
    """A place that could not be reached, or did not answer, for a while: it may by itself."""
