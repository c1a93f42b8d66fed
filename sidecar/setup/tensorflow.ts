import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { version } from "@tensorflow/tfjs/package.json";
import { EngineError } from "../engines/engine";
import { findTensorFlow } from "../engines/tensorflow/find";
import { folderSize } from "./folder-size";
import { findPrerequisites, headersOption, unsupportedPlatform, type Tools } from "./prerequisites";
import { probe } from "./probe";
import { runTool, ToolError, type RunOptions, type Tool } from "./run-tool";

/**
 * Sets up `@tensorflow/tfjs-node-gpu`. The package's own installer fetches TensorFlow 2.9, which needs CUDA 11.2. Here it
 * is built against the library in TensorFlow's Python package instead, which is of today. What pip and npm download comes
 * from wherever they are configured to.
 *
 * The folder is complete in itself and may be used by any process; it is made beside its place and moved there when it
 * is known to work, so that a half-made one is never taken for whole.
 */

/** In the version of the TensorFlow.js that we have ourselves. */
const name = "@tensorflow/tfjs-node-gpu";
const wheelVersion = "2.21.*";

export const wheels = ["tensorflow", "tensorflow-cpu"] as const;

/** Python's package of TensorFlow: for NVIDIA GPUs, or without them. */
export type Wheel = (typeof wheels)[number];

export interface SetupOptions {
  /** Made by the setup, and its own: what is in it is replaced. */
  readonly folder: string;
  /** By default the one for GPUs where there is a driver for one. */
  readonly wheel?: Wheel;
  /** The interpreter whose pip is used; by default one is looked for. */
  readonly python?: string;
}

export interface SetupPlan {
  /** What works already: nothing need be done. */
  readonly found: Installed | null;
  readonly wheel: Wheel;
  readonly downloads: readonly { readonly name: string; readonly bytes: number }[];
  readonly downloadBytes: number;
  /** What it takes when it is done. */
  readonly diskBytes: number;
  /** A sentence for each thing that has to be put right first. */
  readonly missing: readonly string[];
}

export interface Installed {
  readonly packageDir: string;
  readonly usesGpu: boolean;
}

/** What a user should know who has set up TensorFlow for GPUs and has got none; null where all is well. */
export function disappointment({ usesGpu }: Installed, { wheel }: Pick<SetupPlan, "wheel">): string | null {
  if (usesGpu || wheel === "tensorflow-cpu") return null;
  return "TensorFlow works, but finds no GPU that it can use. Check that nvidia-smi lists it, and that its driver is one for CUDA 12.5 or later.";
}

export type SetupStep = "check" | "package" | "library" | "cuda" | "build" | "verify";

export interface SetupCallbacks {
  /** `fraction` is that of the whole, from 0 to 1. */
  readonly onProgress?: (this: void, step: SetupStep, fraction: number, message: string) => void;
  /** All that the tools print. */
  readonly onOutput?: (this: void, text: string) => void;
  readonly signal?: AbortSignal;
}

const MB = 1e6;

/** Sizes as they were for these versions, to tell the user what to expect and how far a download has come. */
const sizes = {
  package: { download: 60 * MB, disk: 330 * MB },
  "tensorflow-cpu": { download: 275 * MB, disk: 1150 * MB },
  tensorflow: { download: 620 * MB, disk: 2000 * MB },
  cuda: { download: 2400 * MB, disk: 4500 * MB },
};

/** Where each step begins, by the time that they take. */
const starts: Record<SetupStep, number> = {
  check: 0,
  package: 0.02,
  library: 0.2,
  cuda: 0.5,
  build: 0.75,
  verify: 0.95,
};

/** What `setUpTensorflow` would do. Other folders than its own may have a package that works: those in `near` and above. */
export async function planSetup(
  options: SetupOptions,
  near: readonly string[] = [],
  run: RunOptions = {},
): Promise<SetupPlan> {
  const wheel = wheelOf(options);
  const withCuda = wheel === "tensorflow" && !hasCuda();
  const downloads = [
    { name: `${name} ${version}, with TensorFlow.js`, ...sizes.package },
    { name: `TensorFlow ${wheelVersion}`, ...sizes[wheel] },
    ...(withCuda ? [{ name: "NVIDIA's CUDA and cuDNN libraries", ...sizes.cuda }] : []),
  ];
  const total = (part: "download" | "disk"): number => downloads.reduce((sum, { [part]: bytes }) => sum + bytes, 0);
  return {
    found: await findInstalled(resolve(options.folder), near, run),
    wheel,
    downloads: downloads.map(({ name, download }) => ({ name, bytes: download })),
    downloadBytes: total("download"),
    diskBytes: total("disk"),
    missing: await missingFor(options, total("download") + total("disk")),
  };
}

/** Sets it up, unless it is there already. Can be run again after whatever happened. */
export async function setUpTensorflow(options: SetupOptions, callbacks: SetupCallbacks = {}): Promise<Installed> {
  const folder = resolve(options.folder);
  const wheel = wheelOf(options);
  const { signal, onOutput } = callbacks;
  signal?.throwIfAborted();
  const run = { signal, onOutput };
  const report = (step: SetupStep, message: string, within = 0): void => {
    const following = Object.values(starts).find((start) => start > starts[step]) ?? 1;
    callbacks.onProgress?.(step, starts[step] + within * (following - starts[step]), message);
  };

  report("check", "Looking for what is needed");
  const installed = isWhole(folder, wheel) ? await tried(packageIn(folder), run) : null;
  if (installed !== null) return installed;
  const { tools, missing } = await findPrerequisites(options.python);
  const unsupported = unsupportedPlatform();
  if (unsupported !== null || tools === null)
    throw new EngineError([unsupported, ...missing].filter(Boolean).join(" "));

  const partial = startPartial(folder);
  const packageDir = packageIn(partial);
  /** A step that may fail; where it downloads so many bytes, how far it is can be told. */
  const stage = async <T>(
    name: SetupStep,
    { message, failure, advice, bytes }: Stage,
    work: () => Promise<T>,
  ): Promise<T> => {
    report(name, message);
    const tell = (): void => report(name, message, Math.min(0.99, folderSize(downloadsIn(partial)) / bytes!));
    const timer = bytes === undefined ? undefined : setInterval(tell, 500);
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      throw new EngineError(`TensorFlow was not set up: ${failure} (${error.reason.replace(/\.$/, "")}). ${advice}`);
    } finally {
      clearInterval(timer);
    }
  };
  try {
    await stage("package", stages.package, () => installPackage(tools, partial, run));
    const library = { ...stages.library, bytes: sizes[wheel].download };
    await stage("library", library, () => takeLibrary(tools, partial, packageDir, wheel, run));
    if (wheel === "tensorflow" && !hasCuda()) {
      await stage("cuda", stages.cuda, () => takeCuda(tools, partial, packageDir, run));
    }
    await stage("build", stages.build, () => buildPackage(tools, packageDir, run));
    const { usesGpu } = await stage("verify", stages.verify, () => probe(packageDir, run));
    rmSync(downloadsIn(partial), { recursive: true });
    writeFileSync(markerOf(partial), marking(wheel));
    signal?.throwIfAborted();
    putInPlace(partial, folder);
    report("verify", "Done", 1);
    return { packageDir: packageIn(folder), usesGpu };
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

interface Stage {
  readonly message: string;
  readonly failure: string;
  readonly advice: string;
  /** What it downloads to the folder that is watched. */
  readonly bytes?: number;
}

const stages: Record<Exclude<SetupStep, "check">, Stage> = {
  package: {
    message: `Installing ${name} ${version}`,
    failure: "npm could not install the package",
    advice: "Check that npm can reach its registry.",
  },
  library: {
    message: "Downloading TensorFlow",
    failure: "TensorFlow could not be downloaded",
    advice: "Check that pip can reach its index, and has a wheel for this Python.",
  },
  cuda: {
    message: "Downloading NVIDIA's libraries",
    failure: "NVIDIA's libraries could not be downloaded",
    advice: "Install CUDA 12 and cuDNN 9 yourself, and try again.",
    bytes: sizes.cuda.download,
  },
  build: {
    message: "Building the package",
    failure: "the package could not be built",
    advice: "Check that a C++ compiler for C++17 and make are installed.",
  },
  verify: {
    message: "Multiplying two matrices",
    failure: "what was built does not work",
    advice: "See the log for all that was printed.",
  },
};

/** The one that is asked for, or else the one for GPUs where there is a driver for one. */
export function wheelOf({ wheel }: Pick<SetupOptions, "wheel">): Wheel {
  return wheel ?? (existsSync("/dev/nvidiactl") || existsSync("/dev/dxg") ? "tensorflow" : "tensorflow-cpu");
}

function packageIn(folder: string): string {
  return join(folder, "node_modules", name);
}

/** Says that a folder is whole, and what it was made of. */
function markerOf(folder: string): string {
  return join(folder, "complete.json");
}

function marking(wheel: Wheel): string {
  return `${JSON.stringify({ version, wheel, wheelVersion })}\n`;
}

function isWhole(folder: string, ...made: readonly Wheel[]): boolean {
  if (!existsSync(markerOf(folder))) return false;
  const mark = readFileSync(markerOf(folder), "utf8");
  return (made.length > 0 ? made : wheels).some((wheel) => mark === marking(wheel));
}

/** Whether the package in a folder works, and on what. */
async function tried(packageDir: string, run: RunOptions): Promise<Installed | null> {
  try {
    return { packageDir, ...(await probe(packageDir, run)) };
  } catch {
    run.signal?.throwIfAborted();
    return null;
  }
}

/** The one in its own folder, or else one that is found beside the user's files. */
async function findInstalled(folder: string, near: readonly string[], run: RunOptions): Promise<Installed | null> {
  const own = isWhole(folder) ? await tried(packageIn(folder), run) : null;
  if (own !== null) return own;
  const found = findTensorFlow(near);
  return "packageDir" in found ? tried(found.packageDir, run) : null;
}

async function missingFor({ folder, python }: SetupOptions, bytes: number): Promise<string[]> {
  const unsupported = unsupportedPlatform();
  if (unsupported !== null) return [unsupported];
  const { missing } = await findPrerequisites(python);
  const { bavail, bsize } = statfsSync(existingAbove(resolve(folder)));
  const gigabytes = (count: number): string => `${(count / 1e9).toFixed(1)} GB`;
  const full = `${gigabytes(bytes)} are needed in ${folder}, and ${gigabytes(bavail * bsize)} are free.`;
  return bavail * bsize < bytes ? [...missing, full] : [...missing];
}

function existingAbove(folder: string): string {
  return existsSync(folder) ? folder : existingAbove(dirname(folder));
}

/** Whether the system's loader knows the libraries that TensorFlow for GPUs looks for. */
function hasCuda(): boolean {
  const folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/cuda/lib64", "/usr/local/cuda-12/lib64"];
  const searched = [...folders, ...(process.env.LD_LIBRARY_PATH ?? "").split(":").filter(Boolean)];
  return ["libcudart.so.12", "libcudnn.so.9"].every((library) =>
    searched.some((folder) => existsSync(join(folder, library))),
  );
}

/** An empty folder beside the one that is made. Those of processes that have ended are taken away. */
function startPartial(folder: string): string {
  const prefix = `${basename(folder)}.partial-`;
  mkdirSync(dirname(folder), { recursive: true });
  for (const entry of readdirSync(dirname(folder)).filter((entry) => entry.startsWith(prefix))) {
    const pid = parseInt(entry.slice(prefix.length));
    if (pid === process.pid || !isRunning(pid)) rmSync(join(dirname(folder), entry), { recursive: true, force: true });
  }
  const partial = join(dirname(folder), `${prefix}${process.pid}`);
  mkdirSync(downloadsIn(partial), { recursive: true });
  return partial;
}

function downloadsIn(partial: string): string {
  return join(partial, "downloads");
}

/** What was there before is moved away whole, and then removed. */
function putInPlace(partial: string, folder: string): void {
  const old = `${partial}-old`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(partial, folder);
  rmSync(old, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

async function installPackage({ npm }: Tools, folder: string, run: RunOptions): Promise<void> {
  // Without a manifest of its own npm would look for one in the folders above
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`);
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--no-save"];
  await runTool({ ...npm, args: [...npm.args, "install", ...options, `${name}@${version}`], cwd: folder }, run);
}

/** Downloads wheels and unpacks some of their files. Partial downloads are in the folder too, and go with it. */
async function takeFromWheels(
  { python }: Tools,
  folder: string,
  requirements: readonly string[],
  members: string,
  target: string,
  run: RunOptions,
): Promise<void> {
  const downloads = downloadsIn(folder);
  const env = { ...process.env, TMPDIR: downloads };
  const download = ["-m", "pip", "download", "--retries", "1", "--no-deps", "--no-cache-dir", "--only-binary=:all:"];
  const tool = (args: string[]): Tool => ({ command: python, args, env, cwd: downloads });
  await runTool(tool([...download, "--dest", downloads, ...requirements]), run);
  await runTool(tool(["-c", unpacking, downloads, target, members]), run);
}

/** Arguments: the folder of the wheels, where to, and a pattern for the members that are wanted. The wheels are removed. */
const unpacking = `
import os, re, sys, zipfile
downloads, target, members = sys.argv[1:]
for name in os.listdir(downloads):
    if not name.endswith(".whl"):
        continue
    path = os.path.join(downloads, name)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(target, [member for member in archive.namelist() if re.match(members, member)])
    os.remove(path)
`;

/** Puts TensorFlow's library and headers to where the package's build looks for them. */
async function takeLibrary(
  tools: Tools,
  folder: string,
  packageDir: string,
  wheel: Wheel,
  run: RunOptions,
): Promise<void> {
  const deps = join(packageDir, "deps");
  const lib = join(deps, "lib");
  mkdirSync(lib, { recursive: true });
  const members = String.raw`tensorflow/(include/|libtensorflow)|[^/]+\.dist-info/METADATA`;
  await takeFromWheels(tools, folder, [`${wheel}==${wheelVersion}`], members, deps, run);
  symlinkSync("tensorflow/include", join(deps, "include"));
  for (const library of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]) {
    symlinkSync(`../tensorflow/${library}`, join(lib, library));
  }
  symlinkSync("libtensorflow_cc.so.2", join(lib, "libtensorflow.so"));
  symlinkSync("libtensorflow_framework.so.2", join(lib, "libtensorflow_framework.so"));
}

/** NVIDIA's libraries, in the versions that TensorFlow's package names, to where its library looks: in `../nvidia`. */
async function takeCuda(tools: Tools, folder: string, packageDir: string, run: RunOptions): Promise<void> {
  const deps = join(packageDir, "deps");
  const information = readdirSync(deps).find((entry) => entry.endsWith(".dist-info"));
  if (information === undefined)
    throw new EngineError("TensorFlow's package does not say which of NVIDIA's libraries it needs");
  const requirements = readFileSync(join(deps, information, "METADATA"), "utf8")
    .split("\n")
    .flatMap((line) => /^Requires-Dist: ([^;]+); extra == ["']and-cuda["']/.exec(line)?.[1].trim() ?? []);
  await takeFromWheels(tools, folder, requirements, String.raw`nvidia/[^/]+/lib/`, deps, run);
}

async function buildPackage(tools: Tools, packageDir: string, run: RunOptions): Promise<void> {
  const file = join(packageDir, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { binary: { napi_versions: number[] } };
  // It asks to be built once for every version since 3; any Node that can run it has version 8
  manifest.binary.napi_versions = [8];
  writeFileSync(file, JSON.stringify(manifest, null, 2));
  const { npm, python } = tools;
  const env = { ...process.env, JOBS: "max", NODE_GYP_FORCE_PYTHON: python };
  const build = ["exec", "--", "node-pre-gyp", "rebuild", ...headersOption(tools)];
  await runTool({ ...npm, args: [...npm.args, ...build], cwd: packageDir, env }, run);
}
