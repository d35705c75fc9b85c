"""When the worker that had a step counts as lost."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """What was seen of a step that was given to a worker.

    Attributes:
        worker: who has begun it; empty while it waits for one.
        answers: whether that one says what it does.
        has_it: whether it says that this step is among it.
        ended: whether it says that it has ended it.
        said: what it said then; empty if nothing.
    """

    worker: str = ""
    answers: bool = False
    has_it: bool = False
    ended: bool = False
    said: str = ""


@dataclass
class Watch:
    """Remembers since when steps look lost.

    Attributes:
        lost_after: seconds for which a worker may be silent.
    """

    lost_after: float
    _since: dict[str, dict[str, float]] = field(default_factory=dict)
    """For each step, since when which worker is silent, or (under no name) since when it is without one."""

    def why_lost(self, step: str, seen: Seen, now: float) -> str | None:
        """Why a step that did not say how it ended counts as lost; None if it does not.

        Args:
            now: seconds, of a clock that does not go back.
        """
        waits = not seen.worker and not seen.ended
        if waits or seen.has_it:
            self._since.pop(step, None)
            return None
        is_silent = bool(seen.worker) and not seen.answers and not seen.ended
        since = self._since.setdefault(step, {}).setdefault(seen.worker if is_silent else "", now)
        # What ended, and what its worker does not know, may have ended this moment: its events are on their way.
        patience = self.lost_after if is_silent else min(self.lost_after, _SETTLING)
        if now - since < patience:
            return None
        if seen.ended:
            return f"its worker ended it without saying how{': ' + seen.said if seen.said else ''}"
        if seen.answers:
            return f"the worker {seen.worker} was started anew, and has it no more"
        return f"the worker {seen.worker} has not answered for {now - since:.0f} s"


_SETTLING = 10.0
