import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheFolder } from "../../cache/folder";

const packages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;

/** Why there is no folder of a native TensorFlow.js, or the folder. */
export type Found = { readonly packageDir: string } | { readonly reason: string };

/** Where `kernelscope setup-tensorflow` puts it, unless told otherwise. */
export function ownTensorFlowFolder(): string {
  return cacheFolder("tensorflow");
}

/**
 * Finds a native TensorFlow.js: in the folder that the environment variable KERNELSCOPE_TFJS_NODE names (the package
 * itself, or a folder in which it is installed), or what modules in the given folders (the user's model, the workspace)
 * would get, or the one that Kernelscope has set up. The package for GPUs comes first.
 */
export function findTensorFlow(folders: readonly string[]): Found {
  const named = process.env.KERNELSCOPE_TFJS_NODE;
  if (named) {
    const packageDir = isPackage(named) ? named : installedIn([named]);
    return packageDir === null
      ? { reason: `KERNELSCOPE_TFJS_NODE names ${named}, which neither is nor holds ${packages.join(" or ")}` }
      : { packageDir };
  }
  const packageDir = installedIn([...folders, ownTensorFlowFolder()]);
  return packageDir === null
    ? { reason: `neither ${packages.join(" nor ")} is installed beside the model` }
    : { packageDir };
}

function isPackage(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: string };
    return packages.some((known) => known === name);
  } catch {
    return false;
  }
}

function installedIn(folders: readonly string[]): string | null {
  for (const name of packages) {
    for (const folder of folders) {
      try {
        return dirname(createRequire(join(folder, "any.js")).resolve(`${name}/package.json`));
      } catch {
        // Not in this folder or above it
      }
    }
  }
  return null;
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
