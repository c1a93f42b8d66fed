// `npm run bench`: builds, bundles every bench/*.ts into dist/bench/, and runs bench/main.ts with the arguments given.
// The other files there are programs that main.ts may start as processes of their own, to measure their memory.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root } from "./lib.mjs";
import { provideTools } from "./tools.mjs";

ensureInstalled();
await provideTools();
const { build, nodeBundle } = await import("./build.mjs");
await build();

const folder = join(root, "bench");
const programs = existsSync(folder) ? readdirSync(folder).filter((name) => /(?<!\.test)\.ts$/.test(name)) : [];
const { build: bundle } = await import("esbuild");
await bundle({ ...nodeBundle, entryPoints: programs.map((name) => join("bench", name)), outdir: "dist/bench" });

const { status } = spawnSync(process.execPath, [join("dist", "bench", "main.js"), ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
