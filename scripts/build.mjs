// Bundles the programs of the package into dist/: the extension and its language client, the command line and the
// server that it starts, the worker process and its watchdog, and the panel's page with its style and icons.
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { isMain, root } from "./lib.mjs";

/** Packages with native parts, or that a user brings: required at run time, never bundled. */
export const external = ["onnxruntime-node", "esbuild", "@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];

/** @typedef {{ source: string, output: string, options?: import("esbuild").BuildOptions }} Program */

/** `import()` of these becomes `require`. @param {...string} names @returns {import("esbuild").BuildOptions} */
function lazily(...names) {
  return { external: [...external, ...names], supported: { "dynamic-import": false } };
}

/**
 * A program that is required only when it is needed stays a file of its own: it is external to the one that does so.
 * @type {Program[]}
 */
const programs = [
  { source: "extension/main.ts", output: "extension", options: lazily("vscode", "./client.js") },
  { source: "extension/client.ts", output: "client", options: lazily("vscode") },
  {
    source: "sidecar/cli.ts",
    output: "cli",
    options: { ...lazily("./server.js"), banner: { js: "#!/usr/bin/env node" } },
  },
  // zarrita's compressions are left out: kernels are kept as they are
  { source: "sidecar/server.ts", output: "server", options: lazily("numcodecs/*") },
  { source: "sidecar/server/planning-thread.ts", output: "planning" },
  { source: "sidecar/worker/boot.ts", output: "worker" },
  // Loaded from V8's code cache, where import() does not work: packages are required instead
  { source: "sidecar/worker/main.ts", output: "worker-main", options: lazily("numcodecs/*") },
  { source: "sidecar/worker/watchdog-thread.ts", output: "watchdog" },
];

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

/** What the page of a panel is made of. The style of the icons is a file of its own, which each icon links to. */
const pageBundle = /** @satisfies {import('esbuild').BuildOptions} */ ({
  absWorkingDir: root,
  bundle: true,
  platform: "browser",
  target: "es2022",
  format: "iife",
  minify: true,
  logLevel: "warning",
});

/** @type {Program[]} */
const pages = [
  { source: "webview/main.ts", output: "webview" },
  { source: "webview/style.css", output: "webview" },
];

const icons = ["codicon.css", "codicon.ttf"];

/** Runs in the user's own Python: it is shipped as it is. */
const pythonProgram = "sidecar/sources/python/torch_program.py";

/**
 * @param {{ folder?: string, production?: boolean }} [options] `production` is smaller and has no source maps. Names are
 *   kept in programs for Node: layers are known by the names of their classes, and a stack in a log can be read.
 * @returns {Promise<string[]>} the files that were bundled, relative to the checkout
 */
export async function build({ folder = "dist", production = false } = {}) {
  const { build: bundle } = await import("esbuild");
  const common = /** @satisfies {import('esbuild').BuildOptions} */ ({
    sourcemap: !production,
    legalComments: production ? "none" : "eof",
  });
  const forNode = { ...nodeBundle, ...common, minifySyntax: production, minifyWhitespace: production };
  const forPage = { ...pageBundle, ...common };
  const results = await Promise.all([
    ...programs.map(({ source, output, options }) => {
      return bundle({
        ...forNode,
        ...options,
        entryPoints: [source],
        outfile: join(folder, `${output}.js`),
        metafile: true,
      });
    }),
    ...pages.map(({ source, output }) => {
      return bundle({ ...forPage, entryPoints: { [output]: source }, outdir: folder, metafile: true });
    }),
  ]);
  const codicons = join(dirname(createRequire(import.meta.url).resolve("@vscode/codicons/package.json")), "dist");
  const target = resolve(root, folder);
  mkdirSync(target, { recursive: true });
  for (const file of icons) copyFileSync(join(codicons, file), join(target, file));
  copyFileSync(join(root, pythonProgram), join(target, basename(pythonProgram)));
  return [...new Set(results.flatMap(({ metafile }) => Object.keys(metafile.inputs)))].sort();
}

if (isMain(import.meta)) await build();
