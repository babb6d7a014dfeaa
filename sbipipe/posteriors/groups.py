"""Files of netCDF groups, which arviz 0.x and 1.x both read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sbipipe.records import InputError
from sbipipe.storage import write_whole

if TYPE_CHECKING:
    import xarray as xr


def save_groups(path: Path, groups: Mapping[str, xr.Dataset], attrs: Mapping[str, Any]) -> None:
    """Write netCDF groups that arviz 0.x and 1.x both read."""
    import xarray as xr

    def write(temporary: Path) -> None:
        xr.Dataset(attrs=dict(attrs)).to_netcdf(temporary, mode="w", engine="h5netcdf")
        for name, group in groups.items():
            packed = {key: {"zlib": True, "complevel": 1} for key in group.data_vars}
            group.to_netcdf(temporary, mode="a", group=name, engine="h5netcdf", encoding=packed)

    write_whole(path, write)


def load_groups(path: Path) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """The groups and attributes of a posterior file."""
    import xarray as xr

    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        tree = xr.load_datatree(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a posterior file ({error})") from error
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    return groups, {str(key): value for key, value in tree.attrs.items()}
