"""The package check ``libraries``: what programs and shared libraries are linked to is there where they run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wvforge_dagster.core.findings import Finding, Severity
from wvforge_dagster.core.package_facts import PackageFacts

# Lists of names read best as lines of words.
OF_GLIBC = frozenset(
    """
    ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 ld64.so.2 libanl.so.1 libBrokenLocale.so.1 libc.so.6 libdl.so.2 libm.so.6
    libmvec.so.1 libnsl.so.1 libpthread.so.0 libresolv.so.2 librt.so.1 libthread_db.so.1 libutil.so.1
    """.split()  # noqa: SIM905
)
OF_DRIVER = frozenset(
    """
    libcuda.so.1 libcudadebugger.so.1 libnvidia-ml.so.1 libnvidia-ptxjitcompiler.so.1 libnvcuvid.so.1 libnvidia-encode.so.1
    """.split()  # noqa: SIM905
)
OF_COMPILER = frozenset(
    """
    libatomic.so.1 libgcc_s.so.1 libgfortran.so.5 libgomp.so.1 libquadmath.so.0 libstdc++.so.6
    """.split()  # noqa: SIM905
)
"""What every machine has. glibc's and the compiler's are Homebrew's list of the same purpose
(``OS::Linux::LinkageChecker::SYSTEM_LIBRARY_ALLOWLIST``), and glibc's older libnsl; the driver's are those that NVIDIA's
driver installs and no conda package may carry. rattler-build itself takes what its sysroot package has, and has no list of
its own for Linux.

The compiler's are taken from the machine only where the build had no package of them, as it is where the compiler is the
machine's: a package that was built with conda-forge's has to require them."""


@dataclass(frozen=True)
class Libraries:
    """Which packages have which libraries, by their filenames.

    Attributes:
        required: of the packages that the run requirements bring along.
        elsewhere: of the host environment's other packages.
        unknown: names of packages that the run requirements bring along and whose files are not known on this machine.
    """

    required: Mapping[str, str] = field(default_factory=dict, hash=False)
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    unknown: tuple[str, ...] = ()


def check_libraries(facts: PackageFacts, libraries: Libraries) -> Iterator[Finding]:
    """Each linked library is in the package, in what it requires to run, or on every machine.

    Libraries are known by their filenames, wherever they lie: an extension module finds those of another by its RPATH or
    because they are loaded already. Where the files of a required package are not known, a missing library is a warning.
    """
    own = {posixpath.basename(file.path) for file in facts.files}
    known = own | libraries.required.keys() | OF_GLIBC | OF_DRIVER
    for path, linked in facts.linked.items():
        if linked.fault:
            yield Finding(f"cannot be read: {linked.fault}", path, Severity.WARNING)
        for name in linked.needed:
            if "/" in name:
                yield Finding(f"is linked to {name[:200]}, which has a fixed place", path)
            elif name in known or (name in OF_COMPILER and name not in libraries.elsewhere):
                continue
            elif name in libraries.elsewhere:
                owner = libraries.elsewhere[name]
                if libraries.unknown:
                    doubt = f", unless {', '.join(libraries.unknown[:3])} requires it"
                    what = f"is linked to {name} of {owner}, which is no run requirement{doubt}"
                    yield Finding(what, path, Severity.WARNING)
                else:
                    yield Finding(f"is linked to {name} of {owner}, which is no run requirement", path)
            elif libraries.unknown:
                what = f"is linked to {name}; whether {', '.join(libraries.unknown[:3])} has it is not known here"
                yield Finding(what, path, Severity.WARNING)
            else:
                yield Finding(f"is linked to {name}, which neither the package nor a run requirement has", path)
