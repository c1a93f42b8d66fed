import { existsSync, realpathSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { runTool, type Tool } from "./run-tool";

/** Versions of Python that TensorFlow has a wheel for. */
const PYTHONS = { from: 10, to: 13 };

export interface Tools {
  /** Runs npm with the arguments that are added. */
  readonly npm: Tool;
  readonly python: string;
}

/** The tools that a setup needs, and sentences about what is missing. */
export interface Prerequisites {
  readonly tools: Tools | null;
  readonly missing: readonly string[];
}

/** Why TensorFlow cannot be set up on this kind of computer at all; null where it can. */
export function unsupportedPlatform(
  platform = process.platform,
  architecture = process.arch,
  glibc = glibcVersion(),
): string | null {
  const instead =
    "Install @tensorflow/tfjs-node in the folder of your model, or use the WebGPU engine, which needs nothing to be set up.";
  if (platform !== "linux" || architecture !== "x64") {
    return `TensorFlow can be set up on 64-bit Intel and AMD computers with Linux only, and this is ${platform} on ${architecture}. ${instead}`;
  }
  if (glibc === null) return `TensorFlow's library needs a Linux with glibc, which this one has not. ${instead}`;
  return null;
}

function glibcVersion(): string | null {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? null;
}

export async function findPrerequisites(python: string | undefined): Promise<Prerequisites> {
  const npm = npmTool();
  const [npmWorks, foundPython, hasCompiler, hasMake] = await Promise.all([
    works({ ...npm, args: [...npm.args, "--version"] }),
    findPython(python),
    anyWorks([process.env.CXX, "c++", "g++", "clang++"]),
    anyWorks([process.env.MAKE, "make"]),
  ]);
  const missing = [
    npmWorks ? "" : "npm was not found; install Node.js with npm.",
    typeof foundPython === "string" ? "" : foundPython.reason,
    hasCompiler ? "" : "A C++ compiler was not found; install one (Debian and Ubuntu: the package build-essential).",
    hasMake ? "" : "make was not found; install it (Debian and Ubuntu: the package build-essential).",
  ].filter(Boolean);
  const complete = missing.length === 0 && typeof foundPython === "string";
  return { tools: complete ? { npm, python: foundPython } : null, missing };
}

/** The npm that started this process, where one did, or else the one on the path. */
function npmTool(): Tool {
  const { npm_execpath: script } = process.env;
  return script ? { command: process.execPath, args: [script] } : { command: "npm", args: [] };
}

/** An interpreter with pip, of a version that TensorFlow has a wheel for. */
async function findPython(named: string | undefined): Promise<string | { reason: string }> {
  const versions = Array.from({ length: PYTHONS.to - PYTHONS.from + 1 }, (_, index) => `python3.${PYTHONS.to - index}`);
  const wanted = `Python 3.${PYTHONS.from} to 3.${PYTHONS.to} with pip is needed`;
  let seen = "none was found";
  for (const command of named === undefined ? ["python3", ...versions, "python"] : [named]) {
    const version = await printed({ command, args: ["-c", 'import sys; print("%d.%d" % sys.version_info[:2])'] });
    if (version === null) continue;
    const [major, minor] = version.split(".").map(Number);
    if (major !== 3 || minor < PYTHONS.from || minor > PYTHONS.to) seen = `${command} is Python ${version}`;
    else if (await works({ command, args: ["-m", "pip", "--version"] })) return command;
    else seen = `${command} has no pip`;
  }
  if (named !== undefined && seen === "none was found") seen = `${named} is no Python that can be run`;
  return { reason: `${wanted}, and ${seen}.` };
}

async function anyWorks(commands: readonly (string | undefined)[]): Promise<boolean> {
  for (const command of commands) if (command && (await works({ command, args: ["--version"] }))) return true;
  return false;
}

async function works(tool: Tool): Promise<boolean> {
  return (await printed(tool)) !== null;
}

async function printed(tool: Tool): Promise<string | null> {
  try {
    return (await runTool(tool)).trim();
  } catch {
    return null;
  }
}

/** Node's headers are downloaded only where they do not stand beside the Node that npm runs on. */
export function headersOption({ npm }: Tools): string[] {
  const node = npm.args.length > 0 ? process.execPath : onPath("node");
  if (node === null) return [];
  const prefix = dirname(dirname(realpathSync(node)));
  return existsSync(join(prefix, "include", "node", "node.h")) ? [`--nodedir=${prefix}`] : [];
}

function onPath(name: string): string | null {
  const files = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true) ?? null;
}
