// The tools that tests compare with and run on, as environment variables:
//   KERNELSCOPE_PYTHON                 an interpreter with NumPy, PyTorch, JAX and ONNX
//   KERNELSCOPE_TFJS_NODE              the folder of a built @tensorflow/tfjs-node-gpu
//   KERNELSCOPE_CHROMIUM               the executable of a Chromium
//   VK_ICD_FILENAMES, XDG_RUNTIME_DIR  a software GPU for WebGPU
//   KERNELSCOPE_EDITOR                 VS Code as a server: the script to start it with
//   KERNELSCOPE_EDITOR_NODE            the Node.js that runs that script
// What is set already is kept. A tool that cannot be set up is left out with a warning, and the tests that need it are
// skipped; under CI it is an error.
import { log } from "./lib.mjs";
import { setupChromium, setupSoftwareGpu } from "./setup-chromium.mjs";
import { setupEditor } from "./setup-editor.mjs";
import { setupPython } from "./setup-python.mjs";
import { setupTensorflow } from "./setup-tensorflow.mjs";

/** @type {{ variable: string, setup: () => Record<string, string> | Promise<Record<string, string>> }[]} */
const tools = [
  { variable: "KERNELSCOPE_PYTHON", setup: async () => ({ KERNELSCOPE_PYTHON: await setupPython() }) },
  { variable: "KERNELSCOPE_TFJS_NODE", setup: async () => ({ KERNELSCOPE_TFJS_NODE: await setupTensorflow() }) },
  { variable: "KERNELSCOPE_CHROMIUM", setup: setupChromium },
  { variable: "VK_ICD_FILENAMES", setup: setupSoftwareGpu },
  { variable: "KERNELSCOPE_EDITOR", setup: editorVariables },
];

async function editorVariables() {
  const { node, entry } = await setupEditor();
  return { KERNELSCOPE_EDITOR: entry, KERNELSCOPE_EDITOR_NODE: node };
}

/**
 * Sets up every tool and puts its variables into this process's environment, which the processes it starts inherit.
 * @param {string[]} [without] variables of tools that are not wanted
 */
export async function provideTools(without = []) {
  for (const { variable, setup } of tools) {
    if (process.env[variable] || without.includes(variable)) continue;
    try {
      Object.assign(process.env, await setup());
    } catch (error) {
      if (process.env.CI) throw error;
      log(
        `kernelscope: no ${variable}, tests that need it are skipped: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
