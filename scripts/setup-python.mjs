// Sets up the Python that tests and benchmarks compare with: a virtual environment with NumPy, PyTorch, JAX and ONNX.
// Prints the path of its interpreter. pip's own configuration (PIP_INDEX_URL, ...) decides where the packages come from.
import { join } from "node:path";
import { cached, isMain, output, run } from "./lib.mjs";

const requirements = ["numpy==2.*", "torch==2.13.*", "jax==0.10.*", "onnx==1.23.*", "onnxscript==0.7.*"];

/** @returns {Promise<string>} the interpreter */
export async function setupPython() {
  const { command, version } = findPython();
  const folder = await cached("python", { requirements, version }, (folder) => {
    run(command, ["-m", "venv", folder]);
    // No retries: an index that cannot be reached fails at once instead of after minutes.
    run(interpreter(folder), ["-m", "pip", "install", "--retries", "0", ...requirements], { quiet: true });
  });
  return interpreter(folder);
}

/** @param {string} folder of a virtual environment */
function interpreter(folder) {
  return process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
}

function findPython() {
  for (const command of ["python3", "python3.13", "python3.12", "python3.11", "python"]) {
    const version = output(command, ["-c", 'import sys, venv; print("%d.%d" % sys.version_info[:2])']);
    if (version && Number(version.split(".")[1]) >= 11) return { command, version };
  }
  throw new Error("Python 3.11 or later, with its venv module, is needed for the tests that compare with PyTorch");
}

if (isMain(import.meta)) console.log(await setupPython());
