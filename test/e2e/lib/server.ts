// VS Code as a server process, with folders of its own that are gone afterwards.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { editor } from "../../tools";
import { belonging, listProcesses, type RunningProcess } from "./processes";
import { until } from "./wait";

export interface Server {
  /** Where a browser finds it. */
  readonly url: string;
  /** The folder that holds everything of this server: its data, its extensions, the workspaces. */
  readonly folder: string;
  /** What the process printed so far. */
  printed(): string;
  /** Writes the user settings. Windows read them when they open. */
  writeSettings(settings: object): void;
  /** The text of an extension's log in the latest window that has one: `log("kernelscope.kernelscope", "Kernelscope")`. */
  log(extensionId: string, channel: string): string;
  /** The processes of this server whose command line matches. */
  processes(command: RegExp): RunningProcess[];
  /** Ends the server. An error names the processes that outlived it (and are killed now). */
  close(): Promise<void>;
}

/** Installs the extensions into a new server and starts it, with environment variables besides our own. */
export async function startServer(vsix: readonly string[], variables: NodeJS.ProcessEnv): Promise<Server> {
  if (editor === undefined) throw new Error("no editor: see scripts/tools.mjs");
  const { entry, node } = editor;
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-editor-"));
  const data = join(folder, "data");
  const common = ["--user-data-dir", data, "--extensions-dir", join(folder, "extensions")];
  common.push("--config", join(folder, "config.yaml"));
  mkdirSync(join(data, "User"), { recursive: true });
  // As if started from a plain shell, even where the tests run in a terminal of VS Code.
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VSCODE_")));
  const env = { ...own, ...variables };

  const installing = vsix.flatMap((file) => ["--install-extension", file]);
  if (installing.length > 0) {
    const { status, stdout, stderr } = spawnSync(node, [entry, ...common, ...installing], { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`the extensions cannot be installed:\n${stdout}${stderr}`);
  }

  const quiet = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
  const listening = ["--auth", "none", "--bind-addr", "127.0.0.1:0"];
  const child = spawn(node, [entry, ...common, ...quiet, ...listening], { env, stdio: ["ignore", "pipe", "pipe"] });
  // Tests that are broken off leave nothing behind either.
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.removeListener("exit", kill));
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (printed += String(text)));
  const url = await until("the server to listen", () => {
    if (child.exitCode !== null) throw new Error(`it ended:\n${printed}`);
    return /HTTP server listening on (http:\S+)/.exec(printed)?.[1];
  });

  const processes = (command: RegExp): RunningProcess[] =>
    belonging(listProcesses(), child.pid!, folder).filter((one) => command.test(one.command));
  return {
    url,
    folder,
    printed: () => printed,
    writeSettings: (settings) => writeFileSync(join(data, "User", "settings.json"), JSON.stringify(settings, null, 2)),
    log: (extensionId, channel) => latestLog(join(data, "logs"), join(extensionId, `${channel}.log`)),
    processes,
    close: () => end(child, () => processes(/./), folder),
  };
}

/** The newest file that ends in `name` below a folder; empty where there is none. */
function latestLog(folder: string, name: string): string {
  const [latest] = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(name))
    .map((path) => join(folder, path))
    .sort((a, b) => statSync(b).birthtimeMs - statSync(a).birthtimeMs);
  return latest === undefined ? "" : readFileSync(latest, "utf8");
}

async function end(child: ChildProcess, remaining: () => RunningProcess[], folder: string): Promise<void> {
  child.kill("SIGTERM");
  try {
    await until("the editor's processes to end", () => remaining().length === 0, { timeout: 15_000 });
  } catch {
    const left = remaining();
    for (const { pid } of left) process.kill(pid, "SIGKILL");
    const lines = left.map(({ pid, command }) => `${pid} ${command.slice(0, 300)}`);
    if (lines.length > 0) throw new Error(`processes outlived the editor:\n${lines.join("\n")}`);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
