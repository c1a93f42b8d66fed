// Sets up @tensorflow/tfjs-node-gpu for the tests of the tensorflow engine, by the command that users have for it.
// Prints the folder of the package.
//
// The folder is complete in itself: require(folder) works in any process and brings its own copy of TensorFlow.js, as
// a user's installation does. Two copies in one process share one engine and one kernel registry (both live on
// globalThis), but warn about every kernel that they register twice, and share no classes or chained operations. A process that
// wants one instance answers the package's requests for '@tensorflow/tfjs...' itself before it loads it:
//
//   const ours = createRequire(<a file of the checkout>);
//   const load = Module._load;
//   Module._load = (request, parent, isMain) =>
//     request.startsWith('@tensorflow/tfjs') && parent?.filename.startsWith(folder)
//       ? ours(request) : load(request, parent, isMain);
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cached, isMain, root, run } from "./lib.mjs";
import { setupPython } from "./setup-python.mjs";

const wheel = "tensorflow-cpu";

/** @returns {Promise<string>} the folder of the package */
export async function setupTensorflow() {
  const manifest = join(root, "node_modules", "@tensorflow", "tfjs", "package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const python = await setupPython();
  const folder = await cached("tensorflow", { version, wheel: `${wheel}==2.21.*` }, async (folder) => {
    const { build } = await import("./build.mjs");
    await build();
    const options = ["--into", join(folder, "installed"), "--wheel", wheel, "--python", python];
    run(process.execPath, [join("dist", "cli.js"), "setup-tensorflow", ...options], { quiet: true });
  });
  return join(folder, "installed", "node_modules", "@tensorflow", "tfjs-node-gpu");
}

if (isMain(import.meta)) console.log(await setupTensorflow());
