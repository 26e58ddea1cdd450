"""Reading HDF5 files that strangers may have made."""
from typing import Union

import h5py


def hdf5_member(group: h5py.Group, name: str) -> Union[h5py.Group, h5py.Dataset]:
    """A member of a group that lies in this file; links and external data could lead to any file of the machine.

    Raises:
        KeyError: If there is none.
        ValueError: If it lies elsewhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f'{name!r} is a link to another place, which is not followed')
    node = group[name]
    if isinstance(node, h5py.Dataset) and (node.is_virtual or node.external):
        raise ValueError(f'the data of {name!r} are in another file, which is not opened')
    return node
