import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const packages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;

/** Why there is no folder of a native TensorFlow.js, or the folder. */
export type Found = { readonly packageDir: string } | { readonly reason: string };

/**
 * Finds a native TensorFlow.js: the folder that the environment variable KERNELSCOPE_TFJS_NODE names, or what modules in
 * the given folders (the user's model, the workspace) would get. The package for GPUs comes first.
 */
export function findTensorFlow(folders: readonly string[]): Found {
  const named = process.env.KERNELSCOPE_TFJS_NODE;
  if (named) {
    const isPackage = existsSync(join(named, "package.json"));
    return isPackage ? { packageDir: named } : { reason: `KERNELSCOPE_TFJS_NODE names ${named}, which is no package` };
  }
  for (const name of packages) {
    for (const folder of folders) {
      try {
        const manifest = createRequire(join(folder, "any.js")).resolve(`${name}/package.json`);
        return { packageDir: dirname(manifest) };
      } catch {
        // Not in this folder or above it
      }
    }
  }
  return { reason: `neither ${packages.join(" nor ")} is installed beside the model` };
}

/**
 * Whether TensorFlow could find a GPU here. Loading it takes seconds and much memory, which would be in vain on a machine
 * without one, where onnxruntime is faster.
 */
export function mayUseGpu(packageDir: string): boolean {
  if (!/tfjs-node-gpu[\\/]*$/.test(packageDir)) return false;
  if (process.platform === "win32") return true;
  // The driver's device, under Linux and under Windows' Linux
  return process.platform === "linux" && (existsSync("/dev/nvidiactl") || existsSync("/dev/dxg"));
}
