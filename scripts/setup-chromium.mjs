// Sets up Chromium for tests: the browser, in which the end-to-end tests open the editor, and the software GPU that
// comes with it, the SwiftShader Vulkan driver, which WebGPU finds through the Vulkan loader. What is missing is
// installed (Debian, as root). Prints the environment variables that tell tests of both.
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheRoot, isMain, run } from "./lib.mjs";

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const chromiumFolders = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];
const libraryFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/** @returns {{ KERNELSCOPE_CHROMIUM: string }} the browser's executable */
export function setupChromium() {
  return { KERNELSCOPE_CHROMIUM: findOrInstall(findBrowser, ["chromium"]) };
}

/** @returns {{ VK_ICD_FILENAMES: string, XDG_RUNTIME_DIR: string }} */
export function setupSoftwareGpu() {
  const driver = findOrInstall(findDriver, ["chromium", "libvulkan1"]);
  return { VK_ICD_FILENAMES: driver, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR || runtimeFolder() };
}

/** @param {() => string | undefined} find @param {string[]} packages of Debian that hold what is to be found */
function findOrInstall(find, packages) {
  const there = find();
  if (there !== undefined) return there;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-q"], { env, quiet: true });
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { env, quiet: true });
  const installed = find();
  if (installed === undefined) throw new Error(`${packages.join(" or ")} is installed, but not where it should be`);
  return installed;
}

function findBrowser() {
  return browsers.find(existsSync);
}

/** The driver's description, where the loader that reads it is there too. */
function findDriver() {
  const loader = libraryFolders.some((folder) => existsSync(join(folder, "libvulkan.so.1")));
  return loader ? chromiumFolders.map((folder) => join(folder, "vk_swiftshader_icd.json")).find(existsSync) : undefined;
}

/** A folder that only this user can read, as XDG_RUNTIME_DIR has to be. */
function runtimeFolder() {
  const folder = join(cacheRoot(), "runtime");
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  return folder;
}

if (isMain(import.meta)) {
  const variables = { ...setupChromium(), ...setupSoftwareGpu() };
  for (const [name, value] of Object.entries(variables)) console.log(`${name}=${value}`);
}
