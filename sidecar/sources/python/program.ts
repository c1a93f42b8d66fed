import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import type { PytorchAnalysis } from "../../protocol/analysis";
import type { InputOption } from "../inputs";

/** Our program in Python (torch_program.py), which runs in the user's own Python. */

export interface ProgramRequest {
  readonly file: string;
  readonly export: string;
  readonly inputs: readonly InputOption[];
  /** How long all of it may take; null for as long as it takes. */
  readonly seconds: number | null;
  /** The number of examples that PyTorch is asked for what it would do; null for not asking. */
  readonly probe: number | null;
}

export interface ProgramResult {
  readonly error: { readonly message: string; readonly source: Source | null } | null;
  readonly note: string | null;
  readonly pytorch: PytorchAnalysis | null;
  /** The user's own files that were imported. */
  readonly files: readonly string[];
}

/** Beside the bundle, as beside this file. */
const PROGRAM = join(__dirname, "torch_program.py");

/** `--python`, or that of the environment: KERNELSCOPE_USER_PYTHON, an activated virtual environment, or the system's. */
export function userPython(option: string | null): string {
  const { KERNELSCOPE_USER_PYTHON: own, VIRTUAL_ENV: environment } = process.env;
  if (option) return option;
  if (own) return own;
  const isWindows = process.platform === "win32";
  if (environment) return join(environment, ...(isWindows ? ["Scripts", "python.exe"] : ["bin", "python"]));
  return isWindows ? "python" : "python3";
}

/** How soon it is seen that the archive is there. */
const LOOK_MS = 50;

/**
 * Runs the program to its end, in a process of this one's group, which ends with it. What the user's code prints goes to
 * stderr. `folder` is for its files, and holds `model.pt2` when it has succeeded.
 *
 * @param onExported told when that is there, before PyTorch is asked what it would do
 */
export async function runProgram(
  python: string,
  folder: string,
  request: ProgramRequest,
  onExported: (result: ProgramResult) => void,
): Promise<ProgramResult> {
  // An interpreter that is slow to start has the less time left
  const until = request.seconds === null ? null : Date.now() / 1000 + request.seconds;
  writeFileSync(join(folder, "request.json"), JSON.stringify({ ...request, until }));
  const child = spawn(python, [PROGRAM, folder], {
    stdio: ["ignore", "pipe", "pipe"],
    // The user's folders stay as they are
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" },
  });
  let last = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      process.stderr.write(text);
      last = (last + text).slice(-2000);
    });
  }
  const early = join(folder, "exported.json");
  let isTold = false;
  const look = (): void => {
    if (isTold || !existsSync(early)) return;
    isTold = true;
    clearInterval(looking);
    onExported(read(early));
  };
  const looking = setInterval(look, LOOK_MS);
  let how: string;
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    how = signal ?? `exit code ${code}`;
  } catch (error) {
    const { message } = error as Error;
    throw new ModelError(`${python} cannot be started (${message}); give the Python that has PyTorch with --python`);
  } finally {
    clearInterval(looking);
  }
  // It may have ended between two looks
  look();
  const file = join(folder, "result.json");
  if (existsSync(file)) return read(file);
  const said = last.trim().split("\n").at(-1)!.trim();
  const why = `${how}${said === "" ? "" : `: ${said}`}`;
  if (existsSync(early)) return endedEarly(read(early), why);
  throw new ModelError(
    `${python} ended without a result (${why}); take out what ends it, or give another Python with --python`,
  );
}

function read(file: string): ProgramResult {
  return JSON.parse(readFileSync(file, "utf8")) as ProgramResult;
}

/** What PyTorch was asked has ended the process: the model itself is known. */
function endedEarly(exported: ProgramResult, why: string): ProgramResult {
  const { pytorch } = exported;
  if (pytorch === null) return exported;
  const message = `PyTorch could not be asked everything: its process ended (${why})`;
  const error = { strategy: null, training: false, message, source: null, fix: null };
  return { ...exported, pytorch: { ...pytorch, errors: [...pytorch.errors, error] } };
}
