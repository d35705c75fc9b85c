"""Everything that is checked, in one command: style, types, import rules, fast tests, integration tests.

Every step runs, also after one that failed; the exit status is 1 if any did. `make test` calls this.
"""

from __future__ import annotations

import subprocess
import sys
import time

PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=10"]
STEPS = {
    "style": [sys.executable, "-m", "ruff", "check", "."],
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "import rules": ["lint-imports"],
    "fast tests": [*PYTEST, "-m", "not integration", "-n", "2"],
    # A file at a time, so that what its tests share is made once.
    "integration tests": [*PYTEST, "-m", "integration", "-n", "2", "--dist", "loadfile"],
}


def main() -> int:
    outcomes: dict[str, tuple[int, float]] = {}
    for name, command in STEPS.items():
        print(f"\n== {name}: {' '.join(command[1:] if command[0] == sys.executable else command)}", flush=True)
        started = time.monotonic()
        outcomes[name] = (subprocess.run(command, check=False).returncode, time.monotonic() - started)
    print()
    for name, (status, seconds) in outcomes.items():
        print(f"{'ok' if status == 0 else 'FAILED':<7} {name} ({seconds:.0f} s)")
    return 1 if any(status for status, _ in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
