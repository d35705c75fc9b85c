"""A forge, opened: its settings, its catalog, and the places that it uses on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wvforge_dagster.build.process import ChildLimits
from wvforge_dagster.build.render import render_forge
from wvforge_dagster.build.variant_package import bring_variant_packages
from wvforge_dagster.channels.credentials import Credentials, read_credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.folder_objects import FolderObjects
from wvforge_dagster.channels.mirror import MirroredFolder
from wvforge_dagster.channels.opening import open_channel
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.remote_index import is_open_to_all
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.targets import PublishTarget, parse_target
from wvforge_dagster.core.catalog import Catalog, VariantId, make_catalog
from wvforge_dagster.core.classes import LIGHT, PackageClass, class_of, refuse_unknown_class, wanted_class
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME, FileChannel, Forge
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.history import Past
from wvforge_dagster.core.licenses import why_not_outputs
from wvforge_dagster.core.limits import Limits
from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.history import read_history
from wvforge_dagster.orchestration.target_folders import refuse_folders
from wvforge_dagster.settings import Settings, cores_of_share, jobs_side_by_side, platform_of_machine


@dataclass(frozen=True)
class ForgeOnDisk:
    """An open forge.

    Attributes:
        root: its folder.
        forge: its settings.
        catalog: its packages, in dependency order.
        targets: the publish targets, with their channels.
        warnings: what is odd in the forge and stops nothing, one line each.
        shared_staging: the staging channel that several machines share; None if this one has its own.
    """

    root: Path
    forge: Forge
    catalog: Catalog
    targets: tuple[tuple[PublishTarget, Channel], ...]
    settings: Settings = field(repr=False)
    warnings: tuple[ForgeError, ...] = ()
    shared_staging: S3Channel | FolderChannel | None = None

    @property
    def output(self) -> Path:
        return self.root / self.forge.output

    @cached_property
    def staging(self) -> FolderChannel:
        """The forge's own channel, where tested packages wait and from which later levels build; where machines share one, this
        machine's folder of it."""
        folder = self.output / "staging"
        if self.shared_staging is None:
            return FolderChannel(folder, label="staging")
        shared = self.shared_staging
        objects = shared.objects if isinstance(shared, S3Channel) else FolderObjects(shared.path, label=shared.label)
        return MirroredFolder(folder, shared, objects, label="staging")

    @property
    def mirror(self) -> MirroredFolder | None:
        """Staging, where machines share it."""
        return self.staging if isinstance(self.staging, MirroredFolder) else None

    @property
    def engine_cache(self) -> Path:
        return self.output / "cache" / "engine"

    def work_folder(self, identity: VariantId) -> Path:
        return self.output / "work" / identity.package / partition_folder(identity.partition)

    def log_folder(self, identity: VariantId) -> Path:
        return self.output / "logs" / identity.package / partition_folder(identity.partition)

    def targets_of(self, package: str) -> tuple[tuple[PublishTarget, Channel], ...]:
        """The targets that a package goes to: by its name, and by its license."""
        refused = self.refused_by(package)
        return tuple(
            (target, channel)
            for target, channel in self.targets
            if target.takes(package) and channel.label not in refused
        )

    def refused_by(self, package: str) -> Mapping[str, str]:
        """The targets that a package would go to, and does not for its license: why, by their labels."""
        known = self.catalog.packages.get(package)
        outputs = known.recipe.outputs if known and known.recipe else ()
        found = {
            channel.label: why_not_outputs(target.licenses, outputs)
            for target, channel in self.targets
            if target.licenses is not None and target.takes(package)
        }
        return {label: why for label, why in found.items() if why}

    def targets_at_once(self, package: str) -> tuple[tuple[PublishTarget, Channel], ...]:
        """Those of them that it is published to by itself, without waiting for its column."""
        return tuple((target, channel) for target, channel in self.targets_of(package) if target.publish == "at-once")

    @property
    def targets_by_column(self) -> tuple[tuple[PublishTarget, Channel], ...]:
        """The targets that packages reach with their column only."""
        return tuple((target, channel) for target, channel in self.targets if target.publish == "by-column")

    @cached_property
    def solve_channels(self) -> tuple[str, ...]:
        """What builds and tests solve against, in order of priority: staging, the targets, the upstream channels.

        A remote target that does not answer without a key is left out: builds have none, and what they need of the forge's
        own packages is in staging.
        """
        targets = (
            channel.url
            for _, channel in self.targets
            if (_is_channel(channel.url) if channel.is_local else is_open_to_all(channel.url))
        )
        # What this machine holds of a shared staging channel is by chance: a build has its column's packages as a view.
        staging = () if self.shared_staging is not None else (self.staging.url,)
        return tuple(dict.fromkeys([*staging, *targets, *self.upstream_channels]))

    @property
    def upstream_channels(self) -> tuple[str, ...]:
        """What the recipes build against, in order of priority: names and addresses."""
        return _upstream_channels(self.root, self.forge)

    @property
    def variant_files(self) -> tuple[Path, ...]:
        return tuple(self.root / entry.path_in(self.forge.output) for entry in self.forge.variants)

    def platform_of(self, package: str) -> str:
        """The platform that a package is built on."""
        return self.catalog.packages[package].platform

    def not_built_here(self, package: str) -> str | None:
        """Why this machine does not build a package, if it does not."""
        platform = self.platform_of(package)
        if platform == platform_of_machine():
            return None
        return f"is built on a {platform} machine, and this one is {platform_of_machine()}"

    @cached_property
    def history(self) -> Mapping[VariantId, Past]:
        """What past builds took, as it was when it was first asked for."""
        return read_history(self.output)

    @cached_property
    def _classes(self) -> Mapping[str, PackageClass]:
        past: dict[str, list[Past]] = defaultdict(list)
        if any(settings.is_measured for settings in self.forge.classes.values()):
            for identity, found in self.history.items():
                past[identity.package].append(found)
        return {
            name: class_of(name, wanted_class(package.recipe), past[name], self.forge.classes)
            for name, package in self.catalog.packages.items()
        }

    def class_of(self, package: str) -> PackageClass:
        """The class of a package, and why it is of that one. One that has no recipe any more is of none but ``light``."""
        return self._classes.get(package, PackageClass(LIGHT))

    def limits_of(self, package: str) -> Limits:
        """The limits of a package: those of forge.yaml for all, for its class, and for it."""
        return self.forge.limits.of(package, self.forge.classes[self.class_of(package).name])

    def build_limits(self, package: str) -> ChildLimits:
        """What a build of a package may use. Of cores, what it asks for or else its share, and never more than there are."""
        limits = self.limits_of(package)
        machine = cores_of_machine()
        return ChildLimits(
            limits.hours * 3600,
            int((limits.memory_gib or 0) * 2**30),
            disk=int((limits.disk_gib or 0) * 2**30),
            cores=min(machine, cores_of_share() or limits.cores or machine // jobs_side_by_side() or 1),
        )

    def test_limits(self, package: str) -> ChildLimits:
        """What the tests of a package may use."""
        return replace(self.build_limits(package), seconds=self.limits_of(package).test_hours * 3600)

    def recipe_path(self, package: str) -> Path:
        return self.root / self.catalog.packages[package].path


def open_forge(settings: Settings) -> ForgeOnDisk:
    """Read and render the forge.

    Raises:
        ForgeError: for a fault of forge.yaml or of a variant file. A broken recipe is a fault of its package only.
    """
    root = settings.forge
    forge = load_forge(root)
    credentials = read_credentials(settings.environ)
    places = [f"{root / CONFIG_NAME}: publish.{position}" for position in range(len(forge.publish))]
    parsed = [parse_target(_plain(mapping), place) for place, mapping in zip(places, forge.publish, strict=True)]
    targets = [(target, open_channel(target, root, credentials, platforms=forge.platforms)) for target in parsed]
    labels = [channel.label for _, channel in targets]
    for label in labels:
        if labels.count(label) > 1:
            raise ForgeError(
                f"two targets are called {label}", where=f"{root / CONFIG_NAME}: publish", remedy="remove one"
            )
    shared = _shared_staging(root, forge, credentials)
    refuse_folders(zip(places, parsed, strict=True), root, root / forge.output)
    bring_variant_packages(root, forge, _upstream_channels(root, forge))
    rendered = render_forge(root, forge)
    recipes = [refuse_unknown_class(recipe, forge.classes) for recipe in rendered.recipes]
    catalog = make_catalog(recipes, rendered.dimensions, forge.platforms, rendered.further)
    return ForgeOnDisk(root, forge, catalog, tuple(targets), settings, rendered.warnings, shared)


def _shared_staging(root: Path, forge: Forge, credentials: Credentials) -> S3Channel | FolderChannel | None:
    if forge.staging is None:
        return None
    place = f"{root / CONFIG_NAME}: staging"
    target = parse_target(_plain(forge.staging), place)
    channel = open_channel(target, root, credentials, platforms=forge.platforms)
    if not isinstance(channel, S3Channel | FolderChannel):
        raise ForgeError(f"{target.label} cannot be shared", where=place, remedy="take {s3: ...} or {file: FOLDER}")
    if {"only", "publish", "licenses", "page", "address"} & forge.staging.keys():
        raise ForgeError("takes the place of the channel only", where=place, remedy="remove the other keys")
    return channel


def _upstream_channels(root: Path, forge: Forge) -> tuple[str, ...]:
    return tuple(
        (root / channel.file).resolve().as_uri() if isinstance(channel, FileChannel) else channel
        for channel in forge.channels
    )


def _is_channel(url: str) -> bool:
    """Whether a folder can be solved against: a target that could not be made is left out."""
    return (Path(unquote(urlsplit(url).path)) / "noarch" / "repodata.json").is_file()


def partition_folder(partition: str) -> str:
    """A partition key as the name of a folder."""
    return partition.replace("|", "_") if partition else "all"


def _plain(value: object) -> dict[str, object]:
    """A frozen mapping of forge.yaml with lists where it has tuples."""
    assert isinstance(value, Mapping)
    return {key: list(item) if isinstance(item, tuple) else item for key, item in value.items()}
