"""What PyTorch holds: the reference for peaks, both predicted ones and those that the user's own PyTorch tells."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Storages(TorchDispatchMode):
    """While it is entered, sums the storages that are alive, each rounded up to 512 bytes as the allocator does: those of
    the given tensors, and of all that operations make. `peak` is the largest sum so far, in bytes.
    """

    def __init__(self, held):
        super().__init__()
        self.known, self.live, self.peak = set(), 0, 0
        for tensor in held:
            self.track(tensor)

    def track(self, tensor):
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.known:
            return
        size = -(-storage.nbytes() // 512) * 512
        self.known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.release, key, size)

    def release(self, key, size):
        self.known.discard(key)
        self.live -= size

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.track(leaf)
        return result
