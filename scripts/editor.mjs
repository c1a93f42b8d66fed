// `npm run editor`: makes the extension's package, installs it and opens the examples, in the VS Code whose `code`
// command is on the PATH, or where there is none in VS Code as a server, for a browser: its address is printed, and
// Ctrl+C ends it. `npm run editor -- --server` takes the server in any case.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ensureInstalled, log, output, root, run } from "./lib.mjs";

const examples = join(root, "examples");

/** The editor's data and extensions, apart from those of any other. */
const place = join(root, "dist", "editor");

const { values } = parseArgs({ options: { server: { type: "boolean", default: false } } });

ensureInstalled();
const { packageExtension } = await import("./package.mjs");
const vsix = await packageExtension();
if (!values.server && hasCode()) openInCode();
else await serve();

function hasCode() {
  return process.platform === "win32" ? output("where", ["code"]) !== null : output("code", ["--version"]) !== null;
}

function openInCode() {
  code("--install-extension", vsix, "--force");
  code(examples);
}

/** @param {string[]} args */
function code(...args) {
  // On Windows it is a batch file, which only a shell runs.
  const shell = process.platform === "win32";
  const { status, error } = spawnSync("code", shell ? args.map((arg) => `"${arg}"`) : args, {
    stdio: "inherit",
    shell,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`code ${args.join(" ")}: failed with exit code ${String(status)}`);
}

async function serve() {
  const { setupEditor } = await import("./setup-editor.mjs");
  const { node, entry } = await setupEditor();
  mkdirSync(place, { recursive: true });
  const folders = ["--user-data-dir", join(place, "data"), "--extensions-dir", join(place, "extensions")];
  const common = [entry, ...folders, "--config", join(place, "config.yaml")];
  // As if started from a plain shell: in a terminal of VS Code it would open the folder there.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VSCODE_")));

  run(node, [...common, "--install-extension", vsix, "--force"], { env, quiet: true });
  // Only this machine reaches it, and whoever starts it trusts the examples.
  const access = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-workspace-trust"];
  const quiet = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
  const server = spawn(node, [...common, ...access, ...quiet, examples], { env, stdio: ["ignore", "pipe", "inherit"] });
  // At the terminal, Ctrl+C reaches the server too; it ends, and then so does this script.
  process.on("SIGINT", () => server.kill("SIGINT"));
  process.on("SIGTERM", () => server.kill("SIGTERM"));
  createInterface(server.stdout).on("line", (line) => {
    const address = /HTTP server listening on (http:\S+)/.exec(line)?.[1];
    if (address !== undefined) {
      console.log(`${address}?folder=${encodeURIComponent(examples)}`);
      log("Open this address in a browser. Ctrl+C ends the editor.");
    }
  });
  process.exitCode = await new Promise((resolve) => server.once("exit", (status) => resolve(status ?? 0)));
}
