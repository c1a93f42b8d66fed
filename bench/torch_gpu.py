"""Jacobians and kernels with torch.func on a GPU. Prints a line of JSON for each task.

    python torch_gpu.py TASKS    # as JSON, a list of the PeerTasks of lib/gpu-peers.ts
"""

import json
import sys

import torch
from torch.func import jacrev, vmap

from gpu_measuring import answer, measure
from torch_ntk import cnn, contraction, mlp, read


def perform(task):
    device = torch.device(task["device"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = task["tf32"]
    net = {"mlp": mlp, "cnn": cnn}[task["net"]]
    parameters, _, x1, x2 = read(task["net"], task["data"])
    parameters = {name: value.to(device) for name, value in parameters.items()}
    x1, x2 = x1.to(device), x2.to(device)
    of_one = lambda p, x: net(p, x[None])[0]

    def compute():
        if task["quantity"] == "jacobian":
            return list(vmap(jacrev(of_one), (None, 0))(parameters, x1).values())
        return [contraction(of_one, parameters, x1, x2, task["quantity"])]

    on_gpu = device.type == "cuda"
    wait = lambda result: torch.cuda.synchronize() if on_gpu else None
    before = 0
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    times = measure(compute, wait, lambda result: [array.cpu() for array in result], task["repeat"])
    peak = torch.cuda.max_memory_allocated() - before if on_gpu else None
    result = compute()
    return {
        **times,
        "elements": sum(array.numel() for array in result),
        "checksum": sum(array.abs().sum(dtype=torch.float64).item() for array in result),
        "bytes": peak,
        "device": torch.cuda.get_device_name() if on_gpu else "CPU",
        "version": torch.__version__,
    }


answer(json.loads(sys.argv[1]), perform)
