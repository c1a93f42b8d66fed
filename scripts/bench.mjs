// `npm run bench`: builds, bundles every bench/*.ts into dist/bench/, and runs bench/main.ts with the arguments given, or,
// where the first of them names another table (`memory`, `ntk`, `gpu`, `editor`), the program of that name. bench/editor.ts
// runs with the packaged extension. Further files are programs that these may start as processes of their own, to measure their memory.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root } from "./lib.mjs";
import { provideTools } from "./tools.mjs";

const args = process.argv.slice(2);
const [first, ...rest] = args;

ensureInstalled();
// With the software GPU in the environment, a real one would not be found
await provideTools(first === "gpu" && !rest.includes("--software") ? ["VK_ICD_FILENAMES"] : []);
const { build, external, nodeBundle } = await import("./build.mjs");
await build();
const { build: bundle } = await import("esbuild");

process.exitCode =
  first === "editor"
    ? await editor(rest)
    : ["memory", "ntk", "gpu"].includes(first)
      ? await engines(first, rest)
      : await engines("main", args);

/** @param {string} program @param {string[]} args */
async function engines(program, args) {
  const folder = join(root, "bench");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /(?<!\.test)\.ts$/.test(name)) : [];
  const programs = files.filter((name) => name !== "editor.ts");
  await bundle({ ...nodeBundle, entryPoints: programs.map((name) => join("bench", name)), outdir: "dist/bench" });
  return run(program, args);
}

/** @param {string[]} args */
async function editor(args) {
  const { packageExtension } = await import("./package.mjs");
  await bundle({
    ...nodeBundle,
    entryPoints: [join("bench", "editor.ts")],
    outdir: "dist/bench",
    external: [...external, "playwright-core"],
    // It uses the library of the end-to-end tests, which are ES modules
    define: { "import.meta.dirname": "__dirname", "import.meta.url": "__filename" },
  });
  return run("editor", ["--package", await packageExtension(), ...args]);
}

/** @param {string} program @param {string[]} args */
function run(program, args) {
  const command = [join("dist", "bench", `${program}.js`), ...args];
  return spawnSync(process.execPath, command, { cwd: root, stdio: "inherit" }).status ?? 1;
}
