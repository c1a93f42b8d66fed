// Sets up a software GPU for tests: the SwiftShader Vulkan driver that comes with Chromium, and the Vulkan loader; both
// are installed (Debian, as root) where they are missing. Prints the variables that make WebGPU find the driver.
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheRoot, isMain, run } from "./lib.mjs";

const chromiumFolders = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];
const libraryFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/** @returns {{ VK_ICD_FILENAMES: string, XDG_RUNTIME_DIR: string }} */
export function setupChromium() {
  let driver = findDriver();
  if (driver === null) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const packages = ["chromium", "libvulkan1"];
    run("apt-get", ["update", "-q"], { env, quiet: true });
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { env, quiet: true });
    driver = findDriver();
  }
  if (driver === null) throw new Error("Chromium's SwiftShader driver or the Vulkan loader is not where it should be");
  return { VK_ICD_FILENAMES: driver, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR || runtimeFolder() };
}

/** The driver's description, where the loader that reads it is there too. */
function findDriver() {
  const driver = chromiumFolders.map((folder) => join(folder, "vk_swiftshader_icd.json")).find(existsSync);
  const loader = libraryFolders.some((folder) => existsSync(join(folder, "libvulkan.so.1")));
  return driver !== undefined && loader ? driver : null;
}

/** A folder that only this user can read, as XDG_RUNTIME_DIR has to be. */
function runtimeFolder() {
  const folder = join(cacheRoot(), "runtime");
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  return folder;
}

if (isMain(import.meta)) {
  for (const [name, value] of Object.entries(setupChromium())) console.log(`${name}=${value}`);
}
