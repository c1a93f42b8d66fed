// The processes of an editor under test, as Linux lists them.
import { readFileSync, readdirSync } from "node:fs";

export interface RunningProcess {
  pid: number;
  parent: number;
  /** The command line, its arguments separated by spaces. */
  command: string;
}

/** All processes of this machine that this user may look at. */
export function listProcesses(): RunningProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((process) => process !== null);
}

function readProcess(pid: number): RunningProcess | null {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
    // What has ended and waits to be reaped does nothing any more.
    return stat.state === "Z" || command === "" ? null : { pid, parent: stat.parent, command };
  } catch {
    return null; // it ended while we looked
  }
}

/** State and parent from a line of /proc/PID/stat. The name before them is in brackets, and may hold brackets itself. */
export function parseStat(line: string): { state: string; parent: number } {
  const [state, parent] = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { state, parent: Number(parent) };
}

/** The processes below `ancestor`, and those whose command line mentions `mark`, wherever they hang by now. */
export function belonging(all: readonly RunningProcess[], ancestor: number, mark: string): RunningProcess[] {
  const family = new Set([ancestor]);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  return all.filter(({ pid, command }) => pid !== process.pid && (family.has(pid) || command.includes(mark)));
}
