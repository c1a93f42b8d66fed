// `npm start`: installs the packages if need be, builds, and shows the two commands on examples.
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureInstalled, log, root } from "./lib.mjs";

const results = mkdtempSync(join(tmpdir(), "kernelscope-"));

/** The command lines that are shown. */
const tour = [
  ["analyze", "examples/residual-net.ts"],
  ["jacobian", "examples/residual-net.ts", "--inputs", "examples/images.npy", "--out", join(results, "jacobian.npz")],
];

ensureInstalled();
const { build } = await import("./build.mjs");
await build();

for (const args of tour) {
  log(`\n$ kernelscope ${args.join(" ")}\n`);
  const { status } = spawnSync(process.execPath, [join("dist", "cli.js"), ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) {
    process.exitCode = status ?? 1;
    break;
  }
}
