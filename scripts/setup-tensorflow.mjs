// Builds @tensorflow/tfjs-node-gpu against the TensorFlow library of the Python wheel, for the tests of the tensorflow
// engine. (The package's own install script fetches TensorFlow 2.9.1, which needs CUDA 11.2; users with a later CUDA
// build it this way too, from the wheel `tensorflow`.) Prints the folder of the package.
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
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cached, isMain, npm, output, root, run } from "./lib.mjs";
import { setupPython } from "./setup-python.mjs";

const name = "@tensorflow/tfjs-node-gpu";
const wheel = "tensorflow-cpu==2.21.*";

/** @returns {Promise<string>} the folder of the package */
export async function setupTensorflow() {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
  const abi = process.versions.node.split(".")[0];
  const python = await setupPython();
  const folder = await cached("tensorflow", { version, wheel, abi }, (folder) => {
    copyWithDependencies(folder);
    const built = join(folder, "node_modules", name);
    takeLibrary(python, built);
    // Node's headers are downloaded only where they do not stand beside Node itself.
    const prefix = dirname(dirname(process.execPath));
    const headers = existsSync(join(prefix, "include", "node", "node.h")) ? [`--nodedir=${prefix}`] : [];
    buildForOneNodeApi(built);
    npm(["exec", "--", "node-pre-gyp", "rebuild", ...headers], { cwd: built, quiet: true });
    verify(built);
  });
  return join(folder, "node_modules", name);
}

/** Copies the package and all that it requires out of this checkout's packages, without maps and declarations. @param {string} folder */
function copyWithDependencies(folder) {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const found = new Set([`node_modules/${name}`]);
  for (const path of found) {
    const { dependencies = {}, peerDependencies = {} } = packages[path];
    for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) {
      const place = resolvePackage(packages, path, dependency);
      if (place !== null) found.add(place);
    }
    cpSync(join(root, path), join(folder, path), {
      recursive: true,
      filter: (file) => !/\.(map|d\.ts)$|\/dist\/.*\.(es2017|fesm|min)\.js$/.test(file),
    });
  }
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin);
  symlinkSync("../@mapbox/node-pre-gyp/bin/node-pre-gyp", join(bin, "node-pre-gyp"));
}

/** Where Node finds a package that the one at `path` requires. @param {Record<string, unknown>} packages @param {string} path @param {string} dependency */
function resolvePackage(packages, path, dependency) {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf("/node_modules/"))) {
    const place = `${folder}/node_modules/${dependency}`;
    if (place in packages) return place;
    if (!folder.includes("/node_modules/")) break;
  }
  const place = `node_modules/${dependency}`;
  return place in packages ? place : null;
}

/** Unpacks the wheel's library and headers to where the package's build looks for them. @param {string} python @param {string} built */
function takeLibrary(python, built) {
  const deps = join(built, "deps");
  const lib = join(deps, "lib");
  mkdirSync(lib, { recursive: true });
  run(python, ["-m", "pip", "download", "--retries", "0", "--no-deps", "--dest", deps, wheel], { quiet: true });
  const file = readdirSync(deps).find((entry) => entry.endsWith(".whl"));
  if (file === undefined) throw new Error(`pip downloaded no wheel for ${wheel}`);
  const unpack = `
import sys, zipfile
wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(target, [n for n in archive.namelist() if n.startswith(("tensorflow/include/", "tensorflow/libtensorflow"))])
`;
  run(python, ["-c", unpack, join(deps, file), deps]);
  rmSync(join(deps, file));
  symlinkSync("tensorflow/include", join(deps, "include"));
  for (const library of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]) {
    symlinkSync(`../tensorflow/${library}`, join(lib, library));
  }
  symlinkSync("libtensorflow_cc.so.2", join(lib, "libtensorflow.so"));
  symlinkSync("libtensorflow_framework.so.2", join(lib, "libtensorflow_framework.so"));
}

/** The package asks to be built once for every Node-API version since 3; any Node that can run it has version 8. @param {string} built */
function buildForOneNodeApi(built) {
  const file = join(built, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.binary.napi_versions = [8];
  writeFileSync(file, JSON.stringify(manifest, null, 2));
}

/** @param {string} built */
function verify(built) {
  const product = `
const tf = require(${JSON.stringify(built)});
console.log(tf.getBackend(), tf.matMul([[1, 2]], [[3], [4]]).arraySync()[0][0]);
`;
  const answer = output(process.execPath, ["-e", product]);
  if (answer !== "tensorflow 11") throw new Error(`${name} was built but does not work: ${String(answer)}`);
}

if (isMain(import.meta)) console.log(await setupTensorflow());
