import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { writeNpy } from "../../sidecar/formats/npz";
import { kernelscope, started, temporaryFolder, until } from "../cli/kernelscope";
import { python } from "../tools";

/** The command line on Python files. */

const TIMEOUT = 120_000;
const nets = resolve("test/python/nets/nets.py");

describe.skipIf(python === undefined)("kernelscope with Python files", () => {
  const { path, write } = temporaryFolder();

  it(
    "computes Jacobians, with the Python of the environment; what the code prints is no result",
    async () => {
      const x = path("x.npy");
      writeNpy(x, { shape: [5, 3, 6, 6], dtype: "float32", data: new Float32Array(5 * 3 * 36).fill(0.5) });
      const { status, out, err, left } = await kernelscope(
        [
          ...["jacobian", `${nets}#made`, "--input", "x=N,3,6,6", "--inputs", x, "--out", path("jac.npz")],
          ...["--time-limit", "100", "--json"],
        ],
        { KERNELSCOPE_USER_PYTHON: python },
      );
      expect([status, left]).toEqual([0, []]);
      const { shape, blocks } = JSON.parse(out) as { shape: number[]; blocks: { name: string; shape: number[] }[] };
      expect(shape).toEqual([5, 2, 130]);
      expect(blocks.find(({ name }) => name === "conv.weight")!.shape).toEqual([5, 2, 4, 3, 3, 3]);
      expect(err).toContain("forward runs");
    },
    TIMEOUT,
  );

  it(
    "ends the user's Python, and what that has started, when it is interrupted",
    async () => {
      const file = write(
        "endless.py",
        [
          "import subprocess, sys",
          "from torch import nn",
          "net = nn.Linear(2, 2)",
          'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)  # a child"])',
          "while True: pass",
        ].join("\n"),
      );
      const { process: cli, processes } = started(["analyze", file, "--python", python!, "--time-limit", "100"]);
      expect(await until(() => processes().some((each) => each.includes("a child")), 60)).toBe(true);
      cli.kill("SIGINT");
      expect(await until(() => processes().length === 0)).toBe(true);
    },
    TIMEOUT,
  );

  it("says that --python is of no use where it cannot be started", async () => {
    const { status, out, err } = await kernelscope(["analyze", `${nets}#made`, "--python", "/no/such/python"]);
    expect([status, out]).toEqual([1, ""]);
    expect(err.trim()).toBe(
      "/no/such/python cannot be started (spawn /no/such/python ENOENT); give the Python that has PyTorch with --python",
    );
  });
});
