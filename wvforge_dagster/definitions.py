"""What Dagster loads: the forge of WVFORGE_FORGE, or the nearest one above the working directory, as definitions."""

import gc

from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.forge_on_disk import open_forge
from wvforge_dagster.own_process import hide_from_builds
from wvforge_dagster.settings import read_settings

hide_from_builds()
# Everything that is made here stays: to look for garbage among it takes a seventh of the loading, and of what follows.
gc.disable()
defs = forge_definitions(open_forge(read_settings()))
gc.freeze()
gc.enable()
