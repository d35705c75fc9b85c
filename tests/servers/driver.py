"""A machine with NVIDIA's driver, as far as ``nvidia-smi -q -x`` tells: tests have no GPU."""

from __future__ import annotations

from pathlib import Path

ANSWER = """\
<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
	<timestamp>Tue Nov 24 12:00:00 2026</timestamp>
	<driver_version>580.65.06</driver_version>
	<cuda_version>13.0</cuda_version>
	<attached_gpus>1</attached_gpus>
	<gpu id="00000000:18:00.0">
		<product_name>NVIDIA H100 80GB HBM3</product_name>
		<product_architecture>Hopper</product_architecture>
	</gpu>
</nvidia_smi_log>
"""


def put_driver(folder: Path, answer: str = ANSWER, status: int = 0) -> Path:
    """An ``nvidia-smi`` in a folder for the PATH, which gives this answer and exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}END\nexit {status}\n")
    program.chmod(0o755)
    return folder
