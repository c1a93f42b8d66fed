import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Tool {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface RunOptions {
  /** When it is aborted the tool is killed, with all that it has started. */
  readonly signal?: AbortSignal;
  /** Gets all that the tool prints. */
  readonly onOutput?: (text: string) => void;
}

/** A tool could not be started, or ended with an error. */
export class ToolError extends Error {
  override readonly name = "ToolError";

  constructor(
    tool: Tool,
    how: string,
    /** The last line that says what was wrong. */
    readonly reason: string,
  ) {
    super(`${tool.command} ${how}: ${reason}`);
  }
}

/** Runs a tool to its end; gives what it printed to stdout. It is the head of a process group, so that all of it can be ended. */
export async function runTool(tool: Tool, { signal, onOutput }: RunOptions = {}): Promise<string> {
  signal?.throwIfAborted();
  const hasGroups = process.platform !== "win32";
  const child = spawn(tool.command, tool.args, {
    cwd: tool.cwd,
    env: tool.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: hasGroups,
  });
  let out = "";
  let all = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      if (stream === child.stdout) out += text;
      all += text;
      onOutput?.(text);
    });
  }
  const kill = (): void => {
    try {
      if (hasGroups && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      else child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  signal?.addEventListener("abort", kill, { once: true });
  try {
    const [code, killedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    signal?.throwIfAborted();
    if (code !== 0) throw new ToolError(tool, `failed (${killedBy ?? `exit code ${code}`})`, lastMeaningfulLine(all));
    return out;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).syscall?.startsWith("spawn")) throw error;
    throw new ToolError(tool, "could not be started", (error as Error).message);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

/** What npm, pip and gyp print after the line that matters. */
const noise = [
  /^npm (error|err!)\s*$/i,
  /complete log of this run/i,
  /^npm (error|err!) (code|errno|syscall|path|command|workspace|location) /i,
  /^npm notice/i,
  /^\[notice\]/,
  /^gyp ERR! (not ok|build error|stack|System|command|cwd|node )/,
  /^node-pre-gyp ERR! (not ok|stack|System|command|cwd|node|build error)/,
  /^make(\[\d+\])?: /,
  /^WARNING:/,
];

/** The last line that tells of an error, or else the last line; without the tool's name before it. */
export function lastMeaningfulLine(output: string): string {
  const lines = output
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !noise.some((pattern) => pattern.test(line)));
  const line = lines.findLast((text) => /error|fail|no such|not found|cannot|denied|no space/i.test(text));
  return (line ?? lines.at(-1) ?? "it printed nothing").replace(
    /^((npm|gyp|node-pre-gyp) err(or|!)(?! *$)|error:) */i,
    "",
  );
}
