"""The flags for the files of IPAM and of the runtime; apart from `options`, since --help is quicker without them."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli.options import dir_flag
from genie_core.survey.records import CACHE_DIR, IPAM_DIR


@dataclass(frozen=True, kw_only=True)
class Records:
    """The directories in which IPAM and the runtime record containers."""

    ipam_dir: str = dir_flag("--ipam-dir", "host-local's leases.", default=IPAM_DIR)
    cache_dir: str = dir_flag("--cache-dir", "libcni's cached results.", default=CACHE_DIR)
