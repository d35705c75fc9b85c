"""The YAML loader that everything is read with: of plain values only, and libyaml's where PyYAML was built with it.

Its own takes half a minute for 20,000 open brackets."""

from __future__ import annotations

from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
