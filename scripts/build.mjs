// Bundles the programs of the package into dist/: the command line, the worker process and its watchdog.
import { isMain, root } from "./lib.mjs";

const programs = [
  { source: "sidecar/cli.ts", output: "dist/cli", banner: "#!/usr/bin/env node" },
  { source: "sidecar/worker/boot.ts", output: "dist/worker", banner: "" },
  // Loaded from V8's code cache, where import() does not work: packages are required instead
  { source: "sidecar/worker/main.ts", output: "dist/worker-main", banner: "", supported: { "dynamic-import": false } },
  { source: "sidecar/worker/watchdog-thread.ts", output: "dist/watchdog", banner: "" },
];

/** Packages with native parts, or that a user brings: required at run time, never bundled. */
export const external = ["onnxruntime-node", "esbuild", "@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];

/** What every bundle for Node has in common. */
export const nodeBundle = /** @satisfies {import('esbuild').BuildOptions} */ ({
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  external,
  logLevel: "warning",
});

export async function build() {
  const { build: bundle } = await import("esbuild");
  await Promise.all(
    programs.map(({ source, output, banner, supported }) =>
      bundle({ ...nodeBundle, entryPoints: [source], outfile: `${output}.js`, banner: { js: banner }, supported }),
    ),
  );
}

if (isMain(import.meta)) await build();
