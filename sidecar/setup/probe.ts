import { runTool, type RunOptions } from "./run-tool";

/** Node 23 dropped a function of `util` that the package still calls. */
const program = `
require("node:util").isNullOrUndefined ??= (value) => value === null || value === undefined;
const tf = require(process.argv[1]);
const product = tf.matMul([[1, 2]], [[3], [4]]).arraySync()[0][0];
if (tf.getBackend() !== "tensorflow" || product !== 11) throw new Error("the product of two matrices is wrong");
console.log("\\n" + JSON.stringify({ usesGpu: tf.backend().isUsingGpuDevice }));
`;

/** Multiplies two matrices with a native TensorFlow.js, in a process of its own; throws where that does not work. */
export async function probe(packageDir: string, options: RunOptions): Promise<{ usesGpu: boolean }> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? "2" };
  const printed = await runTool({ command: process.execPath, args: ["-e", program, packageDir], env }, options);
  return JSON.parse(printed.trim().split("\n").at(-1)!) as { usesGpu: boolean };
}
