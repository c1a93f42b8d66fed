"""Jacobians and kernels with JAX under jit on a GPU. Prints a line of JSON for each task.

    python jax_gpu.py TASKS    # as JSON, a list of the PeerTasks of lib/gpu-peers.ts
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from gpu_measuring import answer, measure
from jax_ntk import cnn, contraction, mlp, structured


def jacobian(net, parameters, x):
    of_one = lambda p, x: net(p, x[None])[0]
    return jax.vmap(jax.jacrev(of_one), (None, 0))(parameters, x)


def perform(task):
    device = jax.devices(task["device"])[0]
    # What is the default, on cards that have it, is TF32
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if task["tf32"] else "highest")
    net = {"mlp": mlp, "cnn": cnn}[task["net"]]
    arrays = {name: jax.device_put(array, device) for name, array in dict(np.load(task["data"])).items()}
    parameters = {name[len("weight:") :]: array for name, array in arrays.items() if name.startswith("weight:")}
    x1, x2 = arrays["x1"], arrays.get("x2")
    if task["quantity"] == "jacobian":
        function = lambda p, x1, x2: jacobian(net, p, x1)
    else:
        method = {"contraction": contraction, "structured": structured}[task["method"]]
        function = lambda p, x1, x2: method(net, p, {}, x1, x2, task["quantity"])
    start = time.perf_counter()
    compiled = jax.jit(function).lower(parameters, x1, x2).compile()
    compilation = time.perf_counter() - start
    times = measure(lambda: compiled(parameters, x1, x2), jax.block_until_ready, jax.device_get, task["repeat"])
    memory = compiled.memory_analysis()
    result = jax.tree.leaves(compiled(parameters, x1, x2))
    return {
        **times,
        "first": compilation + times["first"],
        "elements": sum(array.size for array in result),
        "checksum": float(sum(np.abs(np.asarray(array)).sum(dtype=float) for array in result)),
        "bytes": memory.temp_size_in_bytes + memory.output_size_in_bytes if memory else None,
        "device": device.device_kind,
        "version": jax.__version__,
    }


answer(json.loads(sys.argv[1]), perform)
