import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as util from "node:util";
import type { Tf } from "./lower/lowering";

/** What the native packages of TensorFlow.js give beyond TensorFlow.js itself. */
interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
}

export interface Native {
  readonly tf: Tf;
  readonly device: string;
  readonly usesGpu: boolean;
}

/**
 * Loads @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node from its folder.
 *
 * The package brings its own copy of TensorFlow.js. Where the process has one already, both share their engine and
 * their kernels (these live on `globalThis`). What they register twice is warned about, a line for each of hundreds of
 * kernels, which is kept from the user.
 */
export function loadNative(packageDir: string): Native {
  const require = createRequire(join(packageDir, "package.json"));
  supplyIsNullOrUndefined(require);
  // TensorFlow tells on stderr how it was built, unless asked not to
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  const tf = withoutWarnings(/already (been )?(registered|set)/, () => require(packageDir) as Tf);
  const backend = tf.findBackend("tensorflow") as unknown as NativeBackend;
  const usesGpu = backend.isUsingGpuDevice;
  return { tf, usesGpu, device: usesGpu ? gpuName() : "CPU" };
}

function withoutWarnings<T>(unwanted: RegExp, load: () => T): T {
  const { warn } = console;
  console.warn = (...parts: unknown[]) => {
    if (!unwanted.test(String(parts[0]))) warn(...parts);
  };
  try {
    return load();
  } finally {
    console.warn = warn;
  }
}

/** Node 23 dropped a function of `util` that the packages still call. */
function supplyIsNullOrUndefined(require: NodeJS.Require): void {
  if ("isNullOrUndefined" in util) return;
  const exported = require("node:util") as Record<string, unknown>;
  exported.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
}

function gpuName(): string {
  try {
    const names = execFileSync("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], {
      encoding: "utf8",
      timeout: 5000,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return names.split("\n")[0].trim() || "GPU";
  } catch {
    return "GPU";
  }
}
