"""What Dagster loads: the forge of WVFORGE_FORGE, or the nearest one above the working directory, as definitions."""

from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.settings import hide_from_builds, read_settings

hide_from_builds()
defs = forge_definitions(open_forge(read_settings()))
