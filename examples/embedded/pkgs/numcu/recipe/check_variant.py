"""Show that the extensions of a package are those of its variant. Needs cuobjdump, no GPU.

Usage: check_variant.py PACKAGE CUDA_VERSION PYTHON_VERSION COMPUTE_CAPABILITY
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

# Version of the PTX language that a CUDA release writes: NVIDIA's PTX ISA, release notes.
PTX_VERSIONS = {"13.0": "9.0", "13.1": "9.1", "13.2": "9.2"}


def cuobjdump(option, extension):
    """What cuobjdump prints; empty for a file without device code."""
    done = subprocess.run(["cuobjdump", option, extension], check=False, capture_output=True, text=True)
    assert done.returncode == 0 or "does not contain device code" in done.stdout + done.stderr, done.stderr
    return done.stdout


package, cuda, python, capability = sys.argv[1:]
[folder] = find_spec(package).submodule_search_locations
extensions = sorted(Path(folder).glob("*.so"))
assert extensions, f"{package} has no extension module"
kernels = 0
for extension in extensions:
    tag = f".cpython-{python.replace('.', '')}-"
    assert tag in extension.name, f"{extension.name} is not for Python {python}"
    machine_code = cuobjdump("--list-elf", extension)
    assert ".cubin" not in machine_code, f"{extension.name} carries machine code: {machine_code}"
    architectures = set(re.findall(r"\.sm_(\w+)\.ptx", cuobjdump("--list-ptx", extension)))
    if not architectures:
        print(f"{extension.name}: Python {python}, host code only")
        continue
    assert architectures == {capability}, f"{extension.name} carries PTX for {architectures}"
    ptx = cuobjdump("--dump-ptx", extension)
    versions = set(re.findall(r"^\s*\.version (\S+)", ptx, re.MULTILINE))
    assert versions == {PTX_VERSIONS[cuda]}, f"{extension.name}: PTX {versions} is not CUDA {cuda}'s"
    kernels += len(re.findall(r"^\s*\.visible \.entry", ptx, re.MULTILINE))
    print(f"{extension.name}: Python {python}, CUDA {cuda}, PTX for compute capability {capability}")
assert kernels, f"{package} carries no kernel"
