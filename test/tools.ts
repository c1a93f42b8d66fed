// The tools that tests run beside our own code; scripts/tools.mjs sets them up. `undefined` where this machine has none:
// guard with describe.skipIf(python === undefined).

/** A Python interpreter with NumPy, PyTorch, JAX and ONNX. */
export const python = process.env.KERNELSCOPE_PYTHON;

/** The folder of a built @tensorflow/tfjs-node-gpu. */
export const tfjsNode = process.env.KERNELSCOPE_TFJS_NODE;

/** The Vulkan driver that WebGPU runs on. */
export const vulkanDriver = process.env.VK_ICD_FILENAMES;

/** The executable of a Chromium. */
export const chromium = process.env.KERNELSCOPE_CHROMIUM;

/** VS Code as a server: the script that starts it, and the Node.js to run that with. */
export const editor = editorFromEnvironment();

function editorFromEnvironment(): { entry: string; node: string } | undefined {
  const { KERNELSCOPE_EDITOR: entry, KERNELSCOPE_EDITOR_NODE: node } = process.env;
  return entry && node ? { entry, node } : undefined;
}
