import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** What the figures depend on. */

/** As the worker process is started (docs/development.md); most of what it saves is the same for every program. */
export const allocator: Readonly<Record<string, string>> =
  platform() === "linux"
    ? {
        GLIBC_TUNABLES:
          "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184",
      }
    : {};

/** The class of machine; nothing that names this one. */
export function machineClass(gpu = "no GPU used"): string {
  const model = cpus()[0]?.model.trim() || "an unnamed processor";
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores of ${model} (${arch()}, ${platform()}), ${gibibytes} GiB of memory, ${gpu}`;
}

/** When and where something was measured, and with what: a list in Markdown. */
export async function circumstances(machine = machineClass()): Promise<string> {
  return [
    `- Machine: ${machine}.`,
    `- Versions: ${await versions()}.`,
    `- Date: ${new Date().toISOString().slice(0, 10)}.`,
  ].join("\n");
}

function versionOf(name: string): string {
  const manifest = join(process.cwd(), "node_modules", name, "package.json");
  return `${name} ${(JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version}`;
}

async function versions(): Promise<string> {
  const found = [
    `Node.js ${process.versions.node}`,
    ...["onnxruntime-node", "@tensorflow/tfjs", "@jax-js/jax"].map(versionOf),
  ];
  const { KERNELSCOPE_PYTHON: python, KERNELSCOPE_TFJS_NODE: tfjsNode } = process.env;
  if (tfjsNode) {
    // The library is asked in a process of its own: it takes seconds and a lot of memory
    const script = "process.stdout.write(require(process.argv[1]).backend().binding.TF_Version)";
    const library = await output(process.execPath, ["-e", script, tfjsNode]);
    found.push(`${versionOf("@tensorflow/tfjs-node-gpu")}${library ? ` on libtensorflow ${library}` : ""}`);
  }
  if (python) found.push(`PyTorch ${await output(python, ["-c", "import torch; print(torch.__version__)"])}`);
  return found.join(", ");
}

async function output(program: string, args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args)).stdout.trim();
  } catch {
    return "";
  }
}

/** Seconds that all processors together have worked since the machine started; null where the system does not tell. */
export function busySeconds(): number | null {
  try {
    const [user, nice, system] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1);
    return (Number(user) + Number(nice) + Number(system)) / 100;
  } catch {
    return null;
  }
}
