// With tools that only pretend: what is asked of them, and what becomes of their failures.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unsupportedPlatform } from "./prerequisites";
import { lastMeaningfulLine } from "./run-tool";
import { planSetup, setUpTensorflow, type SetupOptions } from "./tensorflow";

let home: string;
let bin: string;
let options: SetupOptions;
let environment: NodeJS.ProcessEnv;

beforeEach(() => {
  environment = { ...process.env };
  home = mkdtempSync(join(tmpdir(), "kernelscope-setup-"));
  bin = join(home, "bin");
  options = { folder: join(home, "tools", "tensorflow"), wheel: "tensorflow-cpu" };
  mkdirSync(bin);
  for (const name of ["npm_execpath", "KERNELSCOPE_TFJS_NODE", "CXX", "MAKE"])
    Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, { PATH: bin, KERNELSCOPE_CACHE: join(home, "cache") });
  tool("c++", "echo 12.2");
  tool("make", "echo 4.3");
  tool("npm", npm);
  tool("python3", python);
});

afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in environment)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, environment);
  rmSync(home, { recursive: true, force: true });
});

/** A program on the path; it can use the system's own tools and note what it was asked. */
function tool(name: string, script: string): void {
  const file = join(bin, name);
  writeFileSync(file, `#!/bin/sh\nPATH=/usr/bin:/bin\necho "${name} $*" >> "${home}/asked"\n${script}\n`);
  chmodSync(file, 0o755);
}

const asked = (): string => readFileSync(join(home, "asked"), "utf8");
const left = (): string[] => (existsSync(join(home, "tools")) ? readdirSync(join(home, "tools")) : []);

/** Installs a package that multiplies once it has been "built". */
const npm = `
case "$1" in
  --version) echo 10.0.0 ;;
  install)
    folder=node_modules/@tensorflow/tfjs-node-gpu
    mkdir -p $folder
    echo '{ "name": "@tensorflow/tfjs-node-gpu", "main": "index.js", "binary": { "napi_versions": [3, 4] } }' > $folder/package.json ;;
  exec)
    test -e deps/lib/libtensorflow.so || { echo "gyp ERR! cannot find -ltensorflow"; exit 1; }
    echo 'exports.getBackend = () => "tensorflow"; exports.backend = () => ({ isUsingGpuDevice: false });
      exports.matMul = () => ({ arraySync: () => [[11]] });' > index.js ;;
esac`;

/** The third case is the unpacking of wheels: its arguments are the program, the downloads and the target. */
const python = `
case "$1 $2 $3" in
  "-c import sys"*) echo 3.11 ;;
  "-m pip --version") echo pip 23 ;;
  "-m pip download") for folder; do test "$before" = --dest && touch "$folder/tensorflow.whl"; before="$folder"; done ;;
  "-c "*)
    mkdir -p "$4/tensorflow/include" && touch "$4/tensorflow/libtensorflow_cc.so.2" "$4/tensorflow/libtensorflow_framework.so.2" ;;
esac`;

describe.skipIf(unsupportedPlatform() !== null)("setting up TensorFlow", () => {
  it("downloads, builds, tries what it has built, and says how far it is", async () => {
    const steps: string[] = [];
    let last = 0;
    const { packageDir, usesGpu } = await setUpTensorflow(options, {
      onProgress: (step, fraction) => {
        if (steps.at(-1) !== step) steps.push(step);
        expect(fraction).toBeGreaterThanOrEqual(last);
        last = fraction;
      },
    });
    expect(packageDir).toBe(join(options.folder, "node_modules", "@tensorflow", "tfjs-node-gpu"));
    expect(usesGpu).toBe(false);
    expect(steps).toEqual(["check", "package", "library", "build", "verify"]);
    expect(last).toBe(1);
    expect(left()).toEqual(["tensorflow"]);
    expect(asked()).toMatch(/npm install --ignore-scripts .*@tensorflow\/tfjs-node-gpu@4\.22\.0/);
    expect(asked()).toMatch(/python3 -m pip download .*--no-deps .*tensorflow-cpu==2\.21\.\*/);
    expect(asked()).toMatch(/npm exec -- node-pre-gyp rebuild/);
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as object;
    expect(manifest).toMatchObject({ binary: { napi_versions: [8] } });
  });

  it("does nothing where it is set up already, and starts anew where that does not work", async () => {
    const { packageDir } = await setUpTensorflow(options);
    writeFileSync(join(home, "asked"), "");
    await setUpTensorflow(options);
    expect(asked()).toBe("");
    writeFileSync(join(packageDir, "index.js"), "throw new Error('damaged')");
    await setUpTensorflow(options);
    expect(asked()).toContain("npm install");
  });

  it("tells what failed, why and what to do, and leaves nothing behind", async () => {
    tool(
      "python3",
      python.replace(
        '"-m pip download")',
        '"-m pip download") echo "WARNING: slow"; echo "ERROR: No matching distribution found for tensorflow-cpu" >&2; echo "[notice] A new release of pip is available"; exit 1 ;;\n  never)',
      ),
    );
    const output: string[] = [];
    await expect(setUpTensorflow(options, { onOutput: (text) => output.push(text) })).rejects.toThrow(
      "TensorFlow was not set up: TensorFlow could not be downloaded (No matching distribution found for tensorflow-cpu). " +
        "Check that pip can reach its index, and has a wheel for this Python.",
    );
    expect(output.join("")).toContain("[notice] A new release of pip is available");
    expect(left()).toEqual([]);
  });

  it("says when what was built does not work", async () => {
    tool("npm", npm.replace("[[11]]", "[[12]]"));
    await expect(setUpTensorflow(options)).rejects.toThrow(
      /^TensorFlow was not set up: what was built does not work \(the product of two matrices is wrong\)/,
    );
    expect(left()).toEqual([]);
  });

  it("keeps the one that works when making another fails", async () => {
    await setUpTensorflow(options);
    tool("npm", `test "$1" = --version || { echo "npm error code E404"; echo "npm error 404 Not Found"; exit 1; }`);
    await expect(setUpTensorflow({ ...options, wheel: "tensorflow" })).rejects.toThrow(
      /\(404 Not Found\)\. Check that npm/,
    );
    expect(left()).toEqual(["tensorflow"]);
    expect((await planSetup(options)).found).not.toBeNull();
  });

  it("can be cancelled in the middle: the tool and what it has started are killed", async () => {
    tool(
      "npm",
      npm.replace("  exec)", `  exec)\n    sleep 1000 & echo $! > "${home}/pid"; echo started; wait ;;\n  never)`),
    );
    const controller = new AbortController();
    const setup = setUpTensorflow(options, {
      signal: controller.signal,
      onOutput: (text) => {
        if (text.includes("started")) controller.abort();
      },
    });
    await expect(setup).rejects.toMatchObject({ name: "AbortError" });
    expect(left()).toEqual([]);
    const pid = Number(readFileSync(join(home, "pid"), "utf8"));
    for (let tries = 0; isRunning(pid) && tries < 100; tries++) await sleep(20);
    expect(isRunning(pid)).toBe(false);
  });

  it("does not begin when it is cancelled already", async () => {
    await expect(setUpTensorflow(options, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(existsSync(join(home, "asked"))).toBe(false);
  });

  it("takes away what a process that was killed has left", async () => {
    mkdirSync(`${options.folder}.partial-99999999/downloads`, { recursive: true });
    await setUpTensorflow(options);
    expect(left()).toEqual(["tensorflow"]);
  });

  it("takes NVIDIA's libraries in the versions that TensorFlow's package names", async () => {
    const metadata = [
      "Requires-Dist: numpy>=1.26",
      'Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"',
    ].join("\\n");
    const unpack = `mkdir -p "$4/tf.dist-info" && printf '${metadata}\\n' > "$4/tf.dist-info/METADATA"\n    mkdir -p "$4/tensorflow/include"`;
    tool("python3", python.replace('mkdir -p "$4/tensorflow/include"', unpack));
    await setUpTensorflow({ ...options, wheel: "tensorflow" });
    expect(asked()).toMatch(/pip download .*tensorflow==2\.21\.\*/);
    expect(asked()).toMatch(/pip download .*nvidia-cudnn-cu12<10\.0,>=9\.3\.0\.75$/m);
    expect(asked()).not.toMatch(/pip download .*numpy/);
  });
});

describe.skipIf(unsupportedPlatform() !== null)("planning it", () => {
  it("says what would be downloaded, and that nothing is missing", async () => {
    const plan = await planSetup(options);
    expect(plan).toMatchObject({ found: null, wheel: "tensorflow-cpu", missing: [] });
    expect(plan.downloads.map(({ name }) => name)).toEqual([
      "@tensorflow/tfjs-node-gpu 4.22.0, with TensorFlow.js",
      "TensorFlow 2.21.*",
    ]);
    expect(plan.downloadBytes).toBeGreaterThan(100e6);
    expect(existsSync(options.folder)).toBe(false);
  });

  it("names everything that is missing", async () => {
    for (const name of ["npm", "c++", "make"]) rmSync(join(bin, name));
    tool("python3", "echo 3.8");
    expect((await planSetup(options)).missing).toEqual([
      "npm was not found; install Node.js with npm.",
      "Python 3.10 to 3.13 with pip is needed, and python3 is Python 3.8.",
      "A C++ compiler was not found; install one (Debian and Ubuntu: the package build-essential).",
      "make was not found; install it (Debian and Ubuntu: the package build-essential).",
    ]);
    await expect(setUpTensorflow(options)).rejects.toThrow(/^npm was not found; .* Python 3\.10 .* A C\+\+ compiler/);
  });

  it("wants pip, and the interpreter that was named", async () => {
    tool("python3", 'test "$1" = -c && echo 3.12');
    expect((await planSetup(options)).missing).toEqual([
      "Python 3.10 to 3.13 with pip is needed, and python3 has no pip.",
    ]);
    expect((await planSetup({ ...options, python: "/nowhere/python" })).missing).toEqual([
      "Python 3.10 to 3.13 with pip is needed, and /nowhere/python is no Python that can be run.",
    ]);
  });

  it("finds one that the user has", async () => {
    const { packageDir } = await setUpTensorflow({ ...options, folder: join(home, "project") });
    expect((await planSetup(options, [join(home, "project", "models")])).found).toEqual({ packageDir, usesGpu: false });
  });
});

describe("other computers", () => {
  it("are told why it cannot be done and what else there is", () => {
    expect(unsupportedPlatform("darwin", "arm64", null)).toMatch(
      /Linux only, and this is darwin on arm64\. Install .* WebGPU/,
    );
    expect(unsupportedPlatform("win32", "x64", null)).toMatch(/this is win32 on x64/);
    expect(unsupportedPlatform("linux", "x64", null)).toMatch(/glibc/);
    expect(unsupportedPlatform("linux", "x64", "2.36")).toBeNull();
  });
});

describe("the line that matters in a tool's output", () => {
  it.each([
    [
      "npm error code ENOTFOUND\nnpm error errno ENOTFOUND\nnpm error network request to x failed\nnpm error A complete log of this run can be found in: y",
      "network request to x failed",
    ],
    [
      "x.cc:1:1: fatal error: no such file\nmake: *** [x] Error 1\ngyp ERR! build error \ngyp ERR! not ok ",
      "x.cc:1:1: fatal error: no such file",
    ],
    [
      "ERROR: OSError: [Errno 28] No space left on device\n\n[notice] To update, run",
      "OSError: [Errno 28] No space left on device",
    ],
    ["one\ntwo\n", "two"],
    ["", "it printed nothing"],
  ])("%j", (output, line) => {
    expect(lastMeaningfulLine(output)).toBe(line);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
