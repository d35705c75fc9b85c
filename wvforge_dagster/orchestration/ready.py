"""Packages that may go to a target: every upload, promotion and replacement takes its files from here, and this asks the gate.

A file without a record that this very file passed (`gate`) is tested and checked again, whoever put it into staging.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wvforge_dagster.channels.protocol import Channel, ChannelEntry
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.core.state import Status
from wvforge_dagster.orchestration.column_files import column_artifacts
from wvforge_dagster.orchestration.evidence import derive_one
from wvforge_dagster.orchestration.failures import keep_failure
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate import is_cleared, passed_tests
from wvforge_dagster.orchestration.locks import variant_lock
from wvforge_dagster.orchestration.made import MakeFailed
from wvforge_dagster.orchestration.provenance import keep_provenance
from wvforge_dagster.orchestration.staging import bring
from wvforge_dagster.orchestration.testing import test_again


@dataclass(frozen=True)
class Ready:
    """Files that passed, and may go to a target.

    Attributes:
        staged: what staging lists of them.
        files: the files, measured.
        documents: what is to lie beside each, by its sha256 and by ending.
    """

    staged: tuple[ChannelEntry, ...]
    files: tuple[PackageFile, ...]
    documents: Mapping[str, Mapping[str, bytes]]


def ready_variant(forge: ForgeOnDisk, status: Status, targets: Sequence[Channel]) -> Ready:
    """The packages of a package variant that is up to date.

    Args:
        targets: where they are to go; what all of these list already needs no record.

    Raises:
        ForgeError: if they cannot be had, were changed after they were staged, or do not pass.
    """
    if status.held:
        raise ForgeError(f"is not published: {status.held}", where=str(status.id))
    staged = bring(forge, status.artifacts)
    _ask_the_gate(forge, status, staged, targets)
    return _measured(forge, staged, status.artifacts)


def ready_file(forge: ForgeOnDisk, entry: ChannelEntry, artifact: Artifact, status: Status | None) -> Ready:
    """One file in staging, which its recipe may ask for no more.

    Args:
        status: of its package variant, if there is one: where it is what the recipe asks for, it has to pass the tests that the
            recipe has now; else those that it had then.

    Raises:
        ForgeError: if it was changed after it was staged, or has no record that it passed.
    """
    package = forge.catalog.owner(entry.name, entry.subdir) or entry.name
    wanted = [item for item in (status.expected if status else ()) if item.found and item.found.sha256 == entry.sha256]
    passed = all(is_cleared(forge, package, entry, item) for item in wanted)
    if status is not None and status.held and wanted:
        raise ForgeError(f"is not published: {status.held}", where=str(status.id))
    if not passed or not passed_tests(forge, package, entry):
        raise ForgeError(
            "nothing shows that this very file passed its tests and checks",
            where=f"staging/{entry.subdir}/{entry.filename}",
            remedy="build it again",
        )
    return _measured(forge, (entry,), (artifact,))


def _measured(forge: ForgeOnDisk, staged: tuple[ChannelEntry, ...], artifacts: Iterable[Artifact]) -> Ready:
    files, documents = [], {}
    for artifact in artifacts:
        path = forge.staging.path / artifact.subdir / artifact.filename
        try:
            file = PackageFile.read(path, artifact.subdir)
        except OSError as error:
            words = f"cannot be read: {error.strerror}"
            raise ForgeError(words, where=str(path), remedy="wvforge channel verify staging says more") from None
        if file.sha256 != artifact.sha256:
            remedy = "remove it and build it again"
            raise ForgeError("was changed after it was staged", where=str(file.path), remedy=remedy)
        files.append(file)
        documents[file.sha256] = keep_provenance(forge, artifact, file)
    return Ready(staged, tuple(files), documents)


def _ask_the_gate(
    forge: ForgeOnDisk, status: Status, staged: tuple[ChannelEntry, ...], targets: Sequence[Channel]
) -> None:
    """See that every file that a target lacks passed; those that have no record of it are tested and checked again.

    Raises:
        ForgeError: if one does not pass; then the failure is kept.
    """
    if _all_cleared(forge, status, staged):
        return
    if all(_holds(channel, entry) for channel in targets for entry in staged):
        return
    variant = forge.catalog.variants[status.id]
    try:
        with variant_lock(forge, status.id):
            statuses = derive_one(forge, status.id, mine=status.id)
            if statuses[status.id].artifacts != status.artifacts:
                raise ForgeError("was made anew meanwhile", where=f"upload of {status.id}", remedy="publish it again")
            test_again(forge, variant, status, column_artifacts(forge, variant, statuses), _nobody_listens)
    except MakeFailed as failed:
        keep_failure(forge, status.id, replace(failed.failure, input_digest=status.input_digest))
        raise ForgeError(failed.failure.reason, where=f"upload of {status.id}", remedy="it is not published") from None
    if not _all_cleared(forge, status, staged):
        raise ForgeError(
            "nothing shows that this very file passed its tests and checks",
            where=f"upload of {status.id}",
            remedy="build it again with --force",
        )


def _all_cleared(forge: ForgeOnDisk, status: Status, staged: tuple[ChannelEntry, ...]) -> bool:
    pairs = zip(staged, status.expected, strict=True)
    return all(is_cleared(forge, status.id.package, entry, expected) for entry, expected in pairs)


def _holds(channel: Channel, entry: ChannelEntry) -> bool:
    """Whether a target lists this very file now; one that cannot be asked does not."""
    try:
        return entry in channel.entries()
    except ForgeError:
        return False


def _nobody_listens(level: str, line: str) -> None:
    """The lines are in the log."""
