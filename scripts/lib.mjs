// What the scripts share. Only Node's built-ins: some scripts run before the packages are installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Whether the module with this `import.meta` is the script that Node was started with. @param {ImportMeta} meta */
export function isMain(meta) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(meta.url);
}

/** @param {string} message */
export function log(message) {
  process.stderr.write(`${message}\n`);
}

/**
 * Runs a command and throws where it fails. Its output goes to stderr (stdout is for a script's own result), or with
 * `quiet` is shown only where it fails.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} [options]
 */
export function run(command, args, { cwd = root, env = process.env, quiet = false } = {}) {
  const out = quiet ? "pipe" : process.stderr;
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env,
    stdio: ["ignore", out, out],
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (error) throw error;
  if (status === 0) return;
  if (quiet) process.stderr.write(`${stdout}${stderr}`);
  throw new Error(`${command} ${args.join(" ")}: failed with exit code ${String(status)}`);
}

/**
 * The standard output of a command, or null where it cannot be run or fails.
 * @param {string} command
 * @param {string[]} args
 */
export function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return status === 0 ? stdout.trim() : null;
}

/** The folder in which the tools that tests need are kept between runs and checkouts. */
export function cacheRoot() {
  const { KERNELSCOPE_CACHE, XDG_CACHE_HOME } = process.env;
  return KERNELSCOPE_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "kernelscope");
}

/** @param {...unknown} parts what the contents of a cached folder depend on */
function digest(...parts) {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 12);
}

/**
 * A folder of the cache, made by `make` the first time and complete or absent ever after.
 * Processes that want the same folder at once wait for the first.
 * @param {string} name
 * @param {unknown} key what the contents depend on: versions, platform
 * @param {(folder: string) => void | Promise<void>} make
 * @returns {Promise<string>} the folder
 */
export async function cached(name, key, make) {
  const folder = join(cacheRoot(), `${name}-${digest(key, process.platform, process.arch)}`);
  const complete = join(folder, ".complete");
  if (existsSync(complete)) return folder;
  const unlock = await lock(`${folder}.lock`);
  try {
    if (existsSync(complete)) return folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    log(`kernelscope: setting up ${name} in ${folder} (once)`);
    await make(folder);
    writeFileSync(complete, `${JSON.stringify(key)}\n`);
    return folder;
  } finally {
    unlock();
  }
}

/** Waits until no other process has the lock. @param {string} file @returns {Promise<() => void>} what gives it back */
export async function lock(file) {
  mkdirSync(dirname(file), { recursive: true });
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    if (isAbandoned(file)) rmSync(file, { force: true });
    else await sleep(500);
  }
}

/** A lock whose process has ended without giving it back. @param {string} file */
function isAbandoned(file) {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    if (pid === 0) return Date.now() - statSync(file).mtimeMs > 5000;
    process.kill(pid, 0);
    // The number of a process that has ended is given to another one
    const started = startOf(pid);
    return started !== null && started > statSync(file).mtimeMs + 2000;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH";
  }
}

/** When a process was started, in milliseconds, or null where the system does not tell (Windows). @param {number} pid */
function startOf(pid) {
  const started = Date.parse(output("ps", ["-o", "lstart=", "-p", String(pid)]) ?? "");
  return Number.isNaN(started) ? null : started;
}

/** Installs the packages of the lock file where `node_modules` is missing or holds other versions. */
export function ensureInstalled() {
  const installed = packagesOf(join(root, "node_modules", ".package-lock.json"));
  const wanted = packagesOf(join(root, "package-lock.json")) ?? {};
  const stale = Object.entries(wanted).some(
    ([path, { version, optional }]) => path !== "" && !optional && installed?.[path]?.version !== version,
  );
  if (!stale) return;
  log("kernelscope: installing packages");
  npm([installed ? "install" : "ci", "--no-audit", "--no-fund"]);
}

/** @param {string} lockFile @returns {Record<string, { version?: string, optional?: boolean }> | null} */
function packagesOf(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, "utf8")).packages : null;
}

/** Runs npm: the one that started this script, where one did. @param {string[]} args @param {Parameters<typeof run>[2]} [options] */
export function npm(args, options) {
  const { npm_execpath: script } = process.env;
  if (script) run(process.execPath, [script, ...args], options);
  else run(process.platform === "win32" ? "npm.cmd" : "npm", args, options);
}
