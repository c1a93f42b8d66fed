// `npm run package [-- --target win32-x64]...`: makes the extension's package for this platform, or for those named:
// kernelscope-<platform>-<version>.vsix in the checkout's root. It needs no packages beside it: what cannot be bundled
// (onnxruntime and esbuild, which have native parts) is in its dist/node_modules, for that platform only.
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { cached, ensureInstalled, isMain, lock, log, npm, root, run } from "./lib.mjs";

/** The platforms that onnxruntime has native parts for. */
export const targets = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];

/** What the package is made from; packages of others are known by the lock file. */
const sources = [
  ...["extension", "sidecar", "webview", "examples", "media", "scripts/build.mjs", "scripts/package.mjs"],
  ...["package.json", "package-lock.json", ".vscodeignore", "docs", "CHANGELOG.md", "LICENSE"],
];

/** Copied as they are; .vscodeignore chooses among the files. */
const copied = ["CHANGELOG.md", "LICENSE", ".vscodeignore", "media", "examples", "docs"];

/** What the extension's page in the editor shows: not the project's own README, which is about the checkout. */
const readme = "docs/extension.md";

/** Fields of package.json that say how the extension is developed, not what it is. */
const development = ["scripts", "dependencies", "devDependencies", "overrides", "bin", "files", "private"];

/**
 * Makes the package, where there is none of these very sources yet.
 * @param {{ target?: string }} [options]
 * @returns {Promise<string>} the .vsix file
 */
export async function packageExtension({ target = `${process.platform}-${process.arch}` } = {}) {
  if (!targets.includes(target)) {
    throw new Error(`there is no onnxruntime for ${target}; the platforms are ${targets.join(", ")}`);
  }
  const { name, version } = manifest();
  const file = join(root, `${name}-${target}-${version}.vsix`);
  const record = join(root, "dist", `${target}.packaged`);
  mkdirSync(dirname(record), { recursive: true });
  const unlock = await lock(`${record}.lock`);
  try {
    const digest = digestOf(sources);
    if (existsSync(file) && existsSync(record) && readFileSync(record, "utf8") === digest) return file;
    rmSync(file, { force: true });
    const folder = mkdtempSync(join(tmpdir(), "kernelscope-package-"));
    try {
      await stage(folder, target);
      pack(folder, target, file);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    writeFileSync(record, digest);
    return file;
  } finally {
    unlock();
  }
}

function manifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

/** @param {string[]} paths of files and folders, relative to the checkout */
function digestOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap(filesOf)) {
    if (!path.endsWith(".test.ts")) hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

/** The files of a folder of the checkout, or the file itself. @param {string} path @returns {string[]} */
function filesOf(path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((entry) => filesOf(`${path}/${entry}`));
}

/** @param {string} folder @param {string} target */
async function stage(folder, target) {
  const { build } = await import("./build.mjs");
  const bundled = await build({ folder: join(folder, "dist"), production: true });
  const kept = Object.entries(manifest()).filter(([field]) => !development.includes(field));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
  for (const path of copied) {
    cpSync(join(root, path), join(folder, path), { recursive: true, filter: (file) => !file.endsWith(".test.ts") });
  }
  cpSync(join(root, readme), join(folder, "README.md"));
  const required = await requiredPackages(target);
  for (const { name, from, files } of required) {
    for (const file of files) cpSync(join(from, file), join(folder, "dist", "node_modules", name, file));
  }
  const shown = [...required.map(({ from }) => from), ...bundled.flatMap(packageOf), "node_modules/@vscode/codicons"];
  writeFileSync(join(folder, "ThirdPartyNotices.txt"), notices([...new Set(shown)]));
}

/**
 * What is required at run time: a list of the very files that are.
 * @param {string} target
 * @returns {Promise<{ name: string, from: string, files: string[] }[]>}
 */
async function requiredPackages(target) {
  const [platform, architecture] = target.split("-");
  const native = `bin/napi-v6/${platform}/${architecture}`;
  const onnxruntime = "node_modules/onnxruntime-node";
  const common = "node_modules/onnxruntime-common";
  const program = platform === "win32" ? "esbuild.exe" : "bin/esbuild";
  return [
    {
      name: "onnxruntime-node",
      from: join(root, onnxruntime),
      files: ["package.json", ...programsOf(onnxruntime, "dist"), ...librariesOf(onnxruntime, native)],
    },
    {
      name: "onnxruntime-common",
      from: join(root, common),
      files: ["package.json", "dist/cjs/package.json", ...programsOf(common, "dist/cjs")],
    },
    { name: "esbuild", from: join(root, "node_modules/esbuild"), files: ["package.json", "LICENSE.md", "lib/main.js"] },
    { name: `@esbuild/${target}`, from: await esbuildFor(target), files: ["package.json", program] },
  ];
}

/** @param {string} from @param {string} folder */
function programsOf(from, folder) {
  return filesOf(`${from}/${folder}`)
    .map((file) => file.slice(from.length + 1))
    .filter((file) => file.endsWith(".js"));
}

/** Without a library's second copy under its full version, which nothing asks for. @param {string} from @param {string} folder */
function librariesOf(from, folder) {
  return filesOf(`${from}/${folder}`)
    .map((file) => file.slice(from.length + 1))
    .filter((file) => !/\d+\.\d+\.\d+\.dylib$/.test(file));
}

/** The folder of esbuild's program for a platform: npm installs only this platform's. @param {string} target */
async function esbuildFor(target) {
  const name = `@esbuild/${target}`;
  const installed = join(root, "node_modules", name);
  if (existsSync(installed)) return installed;
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version, integrity } = packages[`node_modules/${name}`];
  const folder = await cached(`esbuild-${target}`, { version, integrity }, (folder) => {
    npm(["pack", `${name}@${version}`, "--pack-destination", folder], { cwd: folder, quiet: true });
    const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
    if (archive === undefined) throw new Error(`npm pack made no archive of ${name}@${version}`);
    const digest = createHash("sha512")
      .update(readFileSync(join(folder, archive)))
      .digest("base64");
    if (integrity !== `sha512-${digest}`) throw new Error(`${name}@${version} is not what package-lock.json names`);
    run("tar", ["-xzf", archive], { cwd: folder });
    rmSync(join(folder, archive));
  });
  return join(folder, "package");
}

/** The folder of the package that a bundled file is of, if it is not ours. @param {string} file @returns {string[]} */
function packageOf(file) {
  const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file);
  return found ? [found[1]] : [];
}

/** Whose work is in the package, and under which licence. @param {string[]} folders */
function notices(folders) {
  const parts = folders.map((folder) => {
    const path = folder.startsWith("node_modules") ? join(root, folder) : folder;
    const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    const text = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
    const title = `${name} ${version} (${license})`;
    return text === undefined ? title : `${title}\n\n${readFileSync(join(path, text), "utf8").trim()}`;
  });
  return `Kernelscope contains the work of others:\n\n${parts.sort().join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

/** @param {string} folder @param {string} target @param {string} file */
function pack(folder, target, file) {
  const vsce = join(root, "node_modules", "@vscode", "vsce", "vsce");
  const options = [
    "--target",
    target,
    "--no-dependencies",
    "--no-rewrite-relative-links",
    "--allow-missing-repository",
  ];
  run(process.execPath, [vsce, "package", ...options, "--out", file], { cwd: folder, quiet: true });
}

if (isMain(import.meta)) {
  const { values } = parseArgs({ options: { target: { type: "string", multiple: true } } });
  ensureInstalled();
  try {
    for (const target of values.target ?? [undefined]) {
      const file = await packageExtension({ target });
      log(`kernelscope: ${(statSync(file).size / 2 ** 20).toFixed(1)} MiB`);
      console.log(file);
    }
  } catch (error) {
    log(`kernelscope: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
