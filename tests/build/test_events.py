from __future__ import annotations

import json
import subprocess
import sys


def test_what_is_printed_by_accident_does_not_mix_with_the_events() -> None:
    code = (
        "import os; from wvforge_dagster.build.events import EventStream; events = EventStream(); print('noise');"
        "os.system('echo more noise'); events.send('log', line='caf\\udce9 \\u00fc\\n two')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    (line,) = done.stdout.splitlines()
    assert json.loads(line) == {"event": "log", "line": "caf\udce9 ü\n two"}
    assert "noise" in done.stderr
    assert "more noise" in done.stderr
